import { closeSync, writeSync } from 'node:fs';
import { startDetached } from '../host/child.ts';
import { beforeLate, patience } from '../host/deadline.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { SUPERVISE } from './argument.ts';
import { forgetEnded } from './registry.ts';

/** Project that a supervisor is started for. */
export interface SupervisedProject {
  /** Real path of the Transientfile. */
  readonly file: string;
  readonly project: string;
}

/** Descriptor on which a supervisor reports that it accepts requests. */
const READY = 3;

/** Startup message of a supervisor: its run directory, or why it failed. */
type StartMessage = { readonly run: string } | { readonly problem: Problem };

const NOT_STARTED: Problem = {
  reason: 'host',
  message: 'the process that runs the project did not start',
  hint: 'try again; without --detach the command shows the cause',
};

/** Starts a supervisor and returns its run directory, or that of one started concurrently. */
export async function startSupervisor(project: SupervisedProject): Promise<string> {
  await forgetEnded(process.env, project.file);
  const script = process.argv[1] ?? '';
  const started = startDetached(process.execPath, [script, SUPERVISE, JSON.stringify(project)]);
  // the supervisor itself gives up before that
  const line = await beforeLate(started, patience('supervisor-begin'), () => new TransientError(NOT_STARTED));
  const message = line === undefined ? { problem: NOT_STARTED } : (JSON.parse(line) as StartMessage);
  if ('run' in message) return message.run;
  throw new TransientError(message.problem);
}

/** Sends the startup message to the parent process, once. */
export function reportStart(message: StartMessage): void {
  try {
    writeSync(READY, `${JSON.stringify(message)}\n`);
    closeSync(READY);
  } catch {
    // already sent, or the parent has gone
  }
}
