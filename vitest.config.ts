import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const MINUTE = 60_000;

export default defineConfig({
  test: {
    globalSetup: 'test/rig/setup.ts',
    coverage: { provider: 'v8', include: ['src/**'] },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          testTimeout: MINUTE / 2,
          // sessions wait more than they compute
          maxWorkers: Math.max(4, availableParallelism()),
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // guests under emulation share the processors: one after another is quicker than all at once
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 10 * MINUTE,
          hookTimeout: 10 * MINUTE,
          // of those with several processors one stands still in some hundred boots: test/rig/program.ts knows by what we say
          retry: { count: 1, condition: /the guest hung/ },
        },
      },
    ],
  },
});
