import { dirname } from 'node:path';
import { isWithin } from '../config/path-components.ts';
import type { Executor, Executors } from '../plan/executor.ts';
import type { Step, StepKind } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError, errorCode, isSystemError, systemMessage } from '../problem.ts';

/** Directory a step writes to, and how to choose another one. */
interface Place {
  readonly directory: string;
  readonly choice: string;
  /** Whether host programs write there; output of other steps may be about a guest's disk. */
  readonly byPrograms: boolean;
}

/**
 * Wraps executors so that out-of-space errors name the directory: neither a failed write nor another program does, and a
 * home directory, a store and a runtime directory are often on different disks.
 */
export function tellingOfFullDisks<K extends StepKind>(
  executors: Pick<Executors, K>,
  runDirectory: string,
): Pick<Executors, K> {
  const wrapped = Object.entries(executors).map(([kind, executor]) => {
    const execute = executor as Executor<StepKind>;
    const wrapper: Executor<StepKind> = async (step, context) => {
      try {
        return await execute(step, context);
      } catch (error) {
        throw explained(error, placeOf(step, runDirectory));
      }
    };
    return [kind, wrapper];
  });
  return Object.fromEntries(wrapped) as Pick<Executors, K>;
}

function placeOf({ writesTo }: Step, runDirectory: string): Place {
  if (writesTo === undefined)
    return { directory: runDirectory, choice: 'set XDG_RUNTIME_DIR to another directory', byPrograms: false };
  const { directory, option } = writesTo;
  return { directory, choice: `choose another ${NOUNS[option]}: --${option}`, byPrograms: true };
}

const NOUNS = { 'image-backend': 'backend', vmstore: 'VM store' } as const;

function explained(error: unknown, place: Place): unknown {
  if (!isWantOfSpace(error, place)) return error;
  // prefers the path of the system call; a copy has two
  const path = isSystemError(error) ? (error.dest ?? error.path) : undefined;
  const directory = path === undefined ? place.directory : dirname(path);
  const problem: Problem = {
    reason: 'host',
    message: `${wordsOf(error)} of ${directory}`,
    hint: isWithin(directory, place.directory)
      ? `free some space there, or ${place.choice}`
      : 'free some space there',
    ...detailsOf(error),
  };
  return new TransientError(problem, { cause: error });
}

function isWantOfSpace(error: unknown, { byPrograms }: Place): boolean {
  if (isSystemError(error)) return ['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '');
  if (!byPrograms || !(error instanceof TransientError)) return false;
  return (error.problem.details ?? []).some((line) => PROGRAM_WORDS.test(line));
}

/** Messages of the C library, as printed by other programs. */
const PROGRAM_WORDS = /No space left on device|Disk quota exceeded/;

function wordsOf(error: unknown): string {
  return isSystemError(error) ? systemMessage(error) : 'No space left on the disk';
}

function detailsOf(error: unknown): Pick<Problem, 'details'> {
  if (!(error instanceof TransientError)) return {};
  const { message, details = [] } = error.problem;
  return { details: [message, ...details] };
}
