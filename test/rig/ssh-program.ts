import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rig } from './rig.ts';

/** An ssh program that writes down what it is called with, and is the real one. */
export interface SshProgram {
  readonly path: string;
  /** The arguments of each call so far. */
  readonly calls: () => string[][];
}

export function sshProgram(rig: Rig): SshProgram {
  const path = join(rig.root, 'my-ssh');
  const log = join(rig.root, 'ssh.log');
  const lines = [
    '#!/bin/sh',
    `line=$(printf '%s\\t' "$@")`,
    `printf '%s\\n' "$line" >>${log}`,
    'exec ssh "$@"',
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return {
    path,
    calls: () => {
      const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split('\t').slice(0, -1));
    },
  };
}
