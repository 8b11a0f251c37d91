import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('scripts/quickstart ends with the words of the guest', () => {
  const stdout = execFileSync('scripts/quickstart', {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  expect(stdout).toMatch(/^Hello from tiny: Linux [\d.]+\S* on 2 processors/);
});
