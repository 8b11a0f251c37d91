import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import type { Scenario } from './table.ts';
import { TABLE } from './table.ts';

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

/** The time for an ending is a tenth of what users have: no cell may need more than a few seconds. */
const HASTE = { TRANSIENT_PATIENCE: '0.1' };

/** Tests what may keep these kinds of steps waiting; those whose names begin so. */
export function testEndings(...beginnings: readonly string[]): void {
  const scenarios = Object.entries(TABLE).flatMap(([kind, row]) =>
    typeof row === 'string' || !beginnings.some((beginning) => kind.startsWith(beginning))
      ? []
      : row.map((scenario) => ({ kind, ...scenario })),
  );
  describe.each(scenarios)('$kind: $fault', testScenario);
}

/** The rig looks by itself that nothing is left behind. */
function testScenario(scenario: Scenario): void {
  test.runIf(scenario.deadline)('ends by its deadline', { timeout: 40_000 }, async () => {
    const { deadline, code = 1 } = scenario;
    await using rig = rigFor(scenario);
    const args = await scenario.command(rig);
    const env = { ...scenario.env?.(rig), ...deadline?.env };
    const { exitCode, stderr } = await rig.run([...args, ...(deadline?.flags ?? [])], { env });
    expect(stderr.text).toMatch(deadline?.message ?? /never/);
    expect(exitCode).toBe(code);
  });

  test.each(SIGNALS)('%s ends it', { timeout: 40_000 }, async (signal, code) => {
    await using rig = rigFor(scenario);
    const program = await waiting(scenario, rig);
    program.signal(signal);
    expect((await program.ended).exitCode).toBe(code);
  });

  test('a closed terminal ends it', { timeout: 40_000 }, async () => {
    await using rig = rigFor(scenario);
    const code = join(rig.root, 'code');
    const line = [...rig.commandLine(await scenario.command(rig))].map(quoted).join(' ');
    // the shell passes the hangup on, as an interactive one does, and outlives it to tell how the program ended
    const shell = `exec 3<&0; ${line} <&3 & p=$!; trap 'kill -HUP $p' HUP; wait $p; wait $p; echo $? >${code}`;
    const env = { ...HASTE, ...scenario.env?.(rig), SHELL: '/bin/sh', TERM: 'dumb' };
    const terminal = rig.startCommand(['script', '-qec', shell, '/dev/null'], { env });
    await until('the step', () => scenario.waits(rig, () => terminal.stdout.text));
    terminal.signal('SIGKILL');
    await until('the end of the program', () => existsSync(code) && readFileSync(code, 'utf8') !== '');
    expect(Number(readFileSync(code, 'utf8'))).toBe(129);
    await rig.end();
    await until('the end of all', () => rig.leftovers().length === 0);
  });
}

function rigFor({ faults = {} }: Scenario): Rig {
  return new Rig({ faults, resumable: true });
}

/** Starts the program and returns once its step waits. */
async function waiting(scenario: Scenario, rig: Rig): Promise<Program> {
  const args = await scenario.command(rig);
  const program = rig.start(args, { env: { ...HASTE, ...scenario.env?.(rig) } });
  await until('the step', () => scenario.waits(rig, () => program.stdout.text + program.stderr.text));
  return program;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
