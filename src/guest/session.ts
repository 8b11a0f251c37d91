import { setTimeout as delay } from 'node:timers/promises';
import { startChild } from '../host/child.ts';
import { patience } from '../host/deadline.ts';
import type { Exit } from '../host/exit.ts';
import { shellExitCode } from '../host/exit.ts';
import type { GuestOutput, Machine, OutputStream, StepContext } from '../plan/executor.ts';
import { ConnectionLost } from './fate.ts';
import { BROKEN } from './ssh-shell.ts';
import type { Target } from './ssh-program.ts';

/**
 * Exit code of a session. A session that broke with its connection has none: ssh's own 255 says nothing about the
 * command.
 */
export async function sessionCode(exit: Exit, { master }: Target, machine: Machine): Promise<number> {
  const code = shellExitCode(exit);
  if (code !== BROKEN) return code;
  const loss = master === undefined ? await lossByEnd(machine) : await master.loss();
  if (loss) throw loss;
  return code;
}

/** Without a shared login only the machine tells whether a session broke. */
async function lossByEnd({ ended }: Machine): Promise<ConnectionLost | undefined> {
  const end = await Promise.race([ended, delay(patience('ssh-master'), undefined, { ref: false })]);
  return end && new ConnectionLost('closed the connection');
}

/** Duplicates an output to a listener. */
export function tee(heard: StepContext['heard'], output: GuestOutput): GuestOutput {
  if (heard === undefined) return output;
  const both = (stream: OutputStream) => (bytes: Buffer) => {
    heard(stream, bytes);
    output[stream](bytes);
  };
  return { stdout: both('stdout'), stderr: both('stderr'), end: output.end };
}

/** Runs a command beside those of other VMs: no stdin, and its output is passed on as it comes. */
export async function runBesideOthers(
  program: string,
  args: readonly string[],
  output: GuestOutput,
  signal: AbortSignal,
): Promise<Exit> {
  const child = await startChild(program, args, { signal, newProcessGroup: true });
  child.stdout?.on('data', output.stdout);
  child.stderr?.on('data', output.stderr);
  const exit = await child.exited;
  output.end();
  signal.throwIfAborted();
  return exit;
}
