import { within } from '../host/deadline.ts';
import type { Executors, StepContext } from '../plan/executor.ts';
import type { CopyIn, CopyOut } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import { copyIn, copyOut } from './copy.ts';
import type { GuestShell } from './guest-shell.ts';

/** Finds a shell in the guest that a copy goes to or comes from. */
export type FindShell = (step: CopyIn | CopyOut, context: StepContext) => Promise<GuestShell>;

/**
 * Executors of copies to and from running and stopped guests. `runDirectory` is the private directory of this process.
 */
export function copyExecutors(
  runDirectory: string,
  find: FindShell,
): Pick<Executors, 'copy.in' | 'copy.out'> {
  const perform = async (
    step: CopyIn | CopyOut,
    context: StepContext,
    copy: typeof copyOut,
  ): Promise<void> => {
    const { timeout } = step;
    using deadline = within(context.signal, timeout === undefined ? undefined : timeout * 1000);
    const { signal } = deadline;
    try {
      const { progress, note } = context;
      await copy(step, await find(step, { ...context, signal }), { signal, progress, note, runDirectory });
    } catch (error) {
      throw deadline.expired ? tooSlow(step) : named(step, error);
    }
  };
  return {
    'copy.in': (step, context) => perform(step, context, copyIn),
    'copy.out': (step, context) => perform(step, context, copyOut),
  };
}

function tooSlow(step: CopyIn | CopyOut): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `${pairOf(step)} took longer than ${step.timeout} s`,
    hint: 'raise the limit with --copy-timeout',
  });
}

/** Prefixes an error with the copied pair. */
function named(step: CopyIn | CopyOut, error: unknown): unknown {
  if (!(error instanceof TransientError)) return error;
  const { message } = error.problem;
  return new TransientError({ ...error.problem, message: `${pairOf(step)}: ${message}` }, { cause: error });
}

function pairOf({ kind, host, guest }: CopyIn | CopyOut): string {
  return kind === 'copy.in' ? `copying in ${host}:${guest}` : `copying out ${guest}:${host}`;
}
