import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/cli/program.ts';
import { planProject } from '../../src/cli/project.ts';
import type { Problem } from '../../src/problem.ts';
import { problemLines } from '../../src/run/problem-lines.ts';

const FIXTURES = join(import.meta.dirname, 'problems');
const names = readdirSync(FIXTURES).flatMap((file) => (file.endsWith('.toml') ? [file.slice(0, -5)] : []));

/** Output of `transient plan --file NAME.toml` for an invalid file. */
async function problemsOf(file: string): Promise<readonly Problem[]> {
  const parsed = parseCommandLine({
    argv: ['plan', '--file', file],
    environment: { HOME: '/home/user' },
    workingDirectory: FIXTURES,
  });
  if (!parsed.ok || parsed.value.kind !== 'command') throw new Error('the command line was refused');
  const planned = await planProject(parsed.value.invocation);
  return planned.ok ? [] : planned.problems;
}

function formatted(problems: readonly Problem[]): string {
  return problems.flatMap((problem) => problemLines(problem, 'error', false)).join('\n') + '\n';
}

describe('a bad Transientfile', () => {
  it.each(names)('%s', async (name) => {
    const text = formatted(await problemsOf(`${name}.toml`));
    const expected = join(FIXTURES, `${name}.stderr`);
    // a new fixture is written once, for its author to read and to check in
    if (!existsSync(expected) && process.env['CI'] === undefined) writeFileSync(expected, text);
    expect(text).toBe(readFileSync(expected, 'utf8'));
    expect(text).toContain('error: ');
    expect(text).not.toMatch(/internal error|\n {4}at /);
  });

  it('has a fixture for each text, and a text for each fixture', () => {
    const texts = readdirSync(FIXTURES).flatMap((file) =>
      file.endsWith('.stderr') ? [file.slice(0, -7)] : [],
    );
    expect(texts.sort()).toEqual([...names].sort());
    expect(names.length).toBeGreaterThanOrEqual(25);
  });
});
