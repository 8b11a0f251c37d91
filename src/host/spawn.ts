import type { execa as execaType } from 'execa';
import { findProgram } from './program.ts';
import { quotedForPeople } from '../shell-quote.ts';
import { trace } from './trace.ts';

/** Loads execa on demand: it would dominate the start-up of commands that start no program. */
export async function loadExeca(): Promise<{ readonly execa: typeof execaType }> {
  return import('execa');
}

/** Command line that runs a program so that it does not outlive us. */
export async function commandLine(program: string, args: readonly string[]): Promise<[string, ...string[]]> {
  const path = await findProgram(program);
  trace('info', () => [program, ...args].map(quotedForPeople).join(' '));
  if (process.platform !== 'linux') return [path, ...args];
  await findProgram('setpriv');
  return dyingWithUs([path, ...args]);
}

/**
 * Command line of a process that the kernel kills when we die, even by SIGKILL: the parent-death signal of Linux.
 * The child compares its parent PID with ours, since we may die before the signal is set.
 */
function dyingWithUs(command: readonly string[]): [string, ...string[]] {
  const check = '[ "$PPID" = "$0" ] && exec "$@"';
  return ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', check, String(process.pid), ...command];
}
