import type { execa as execaType } from 'execa';
import { findProgram } from './program.ts';
import { quoted } from './quoted.ts';
import { trace } from './trace.ts';

/** Most of our own start-up would be its loading, and what only reads and shows starts nothing. */
export async function loadExeca(): Promise<{ readonly execa: typeof execaType }> {
  return import('execa');
}

/** A program by its path, with its arguments, in such a way that it does not outlive us. */
export async function commandLine(program: string, args: readonly string[]): Promise<[string, ...string[]]> {
  const path = await findProgram(program);
  trace('info', () => [program, ...args].map(quoted).join(' '));
  if (process.platform !== 'linux') return [path, ...args];
  await findProgram('setpriv');
  return dyingWithUs([path, ...args]);
}

/**
 * A command line that the kernel kills when we die, also by SIGKILL: the parent-death signal of Linux.
 * The child compares its parent with us, since we may die before the signal is set.
 */
function dyingWithUs(command: readonly string[]): [string, ...string[]] {
  const check = '[ "$PPID" = "$0" ] && exec "$@"';
  return ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', check, String(process.pid), ...command];
}
