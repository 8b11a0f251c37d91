import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Shell } from '../../src/cli/command.ts';
import type { Rig } from './rig.ts';

/** The environment in which `transient` is a program on PATH, and the completion script of a shell as a file. */
export function completing(rig: Rig, shell: Shell): { env: NodeJS.ProcessEnv; script: string } {
  const bin = join(rig.root, 'bin');
  mkdirSync(bin, { recursive: true });
  const program = join(bin, 'transient');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${inject('binary')} "$@"\n`);
  chmodSync(program, 0o755);
  const env = { ...rig.environment, PATH: `${bin}:${rig.environment['PATH'] ?? ''}` };
  const script = join(rig.root, `completion.${shell}`);
  writeFileSync(script, execFileSync(program, ['completion', shell], { env }));
  return { env, script };
}

/** Completions of bash for the last word, or its part after the last ":" or "=". */
export async function inBash(rig: Rig, line: string): Promise<string[]> {
  const { env, script } = completing(rig, 'bash');
  // as readline cuts a line: COMP_WORDBREAKS
  const words = line.split(' ').flatMap((word) => word.split(/([:=])/).filter((part) => part !== ''));
  const pieces = line.endsWith(' ') ? [...words, ''] : words;
  const driver = [
    `source ${script}`,
    'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))',
    '_transient',
    'for reply in "${COMPREPLY[@]}"; do printf "%s\\n" "$reply"; done',
  ];
  const command = ['bash', '--norc', '-c', driver.join('\n'), 'bash', ...pieces];
  return lines((await rig.command(command, { env })).stdout.text);
}

/** Completions of fish with their descriptions. */
export async function inFish(rig: Rig, line: string): Promise<Map<string, string>> {
  const { env, script } = completing(rig, 'fish');
  const command = ['fish', '--no-config', '-c', `source ${script}; complete -C $argv[1]`, line];
  const { stdout } = await rig.command(command, { env });
  return new Map(lines(stdout.text).map((one) => one.split('\t') as [string, string]));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
