import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/program.ts';
import type { Problem } from '../../src/problem.ts';

/** Copies planned by `transient cp`, as HOST GUEST, or its problems. */
async function copies(...paths: readonly string[]): Promise<string[] | Problem['message']> {
  const parsed = parseCommandLine({
    argv: ['cp', ...paths],
    environment: { HOME: '/home/me' },
    workingDirectory: '/work',
  });
  if (!parsed.ok || parsed.value.kind === 'help') throw new Error('not understood');
  const { def, invocation } = parsed.value;
  if (!('plan' in def)) throw new Error('cp runs a plan');
  const planned = await def.plan(invocation);
  if (!planned.ok) return planned.problems.map(({ message }) => message).join();
  const { steps } = planned.value.plan;
  return steps.flatMap((step) =>
    step.kind === 'copy.in' || step.kind === 'copy.out' ? [`${step.kind} ${step.host} ${step.guest}`] : [],
  );
}

describe('cp', () => {
  test.for([
    [['a', 'vm:/etc/'], ['copy.in /work/a /etc/']],
    [['a', 'vm:/etc/name'], ['copy.in /work/a /etc/name']],
    [
      ['a', '/b/', 'vm:/etc'],
      ['copy.in /work/a /etc/', 'copy.in /b/ /etc/'],
    ],
    [['vm:/a', 'out'], ['copy.out /work/out /a']],
    [
      ['vm:/a', 'vm:/b', 'out'],
      ['copy.out /work/out/ /a', 'copy.out /work/out/ /b'],
    ],
    [['./odd:/name', 'vm:/etc/'], ['copy.in /work/odd:/name /etc/']],
  ] as const)('%j', async ([paths, expected]) => {
    expect(await copies(...paths)).toEqual(expected);
  });

  test.for([
    [['a', 'b'], 'must be VM paths'],
    [['vm:/a', 'b', 'c'], 'must be VM paths'],
    [['vm:/a', 'vm:/b'], 'must be VM paths'],
    [['one:/a', 'two:/b', 'c'], 'must be VM paths'],
    [['vm:a', 'c'], 'must be VM paths'],
    [['a'], 'missing required argument'],
  ] as const)('%j is refused: %s', async ([paths, message]) => {
    expect(await copies(...paths)).toContain(message);
  });
});
