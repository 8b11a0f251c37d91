import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Plugin } from 'vitest/config';
import { defineConfig } from 'vitest/config';

const MINUTE = 60_000;

/** Imports files as text, as scripts/build.mjs does. */
const text: Plugin = {
  name: 'text',
  enforce: 'pre',
  load(id) {
    if (!/\.(toml|asc)$/.test(id)) return undefined;
    return `export default ${JSON.stringify(readFileSync(id, 'utf8'))};`;
  },
};

export default defineConfig({
  plugins: [text],
  test: {
    globalSetup: 'test/rig/setup.ts',
    coverage: { provider: 'v8', include: ['src/**'] },
    projects: [
      {
        extends: true,
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
        extends: true,
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
