/** Kind of a problem; a closed set, so that readers of `--json` and tests can rely on it. */
export type Reason =
  | 'usage'
  | 'unreadable'
  | 'syntax'
  | 'unknown-key'
  | 'missing-key'
  | 'invalid-value'
  | 'unknown-reference'
  | 'cycle'
  | 'conflict'
  | 'missing-program'
  | 'program-failed'
  | 'image'
  | 'machine'
  | 'guest'
  | 'host'
  | 'internal';

/** The keys and list indexes that lead to a value of a TOML document. */
export type KeyPath = readonly (string | number)[];

/**
 * Place in the user's input that a problem is about. In a file it is first known by its key path
 * (`on: 'key'` means the key itself, not its value); `config/locate.ts` adds the position for people.
 * Lines and columns count from 1, columns in UTF-16 units.
 */
export type Where =
  | { kind: 'file'; file: string; path?: KeyPath; on?: 'key' | 'value'; position?: Position }
  | { kind: 'flag'; flag: string; value?: string }
  | { kind: 'env'; name: string }
  | { kind: 'vm'; vm: string };

/** A range in one line of a file, and the text of that line. */
export interface Position {
  line: number;
  column: number;
  length: number;
  text: string;
}

/** One fault: a message, its place, and a hint how to fix it. */
export interface Problem {
  reason: Reason;
  message: string;
  where?: Where | undefined;
  hint?: string | undefined;
  /** Further lines with the cause as reported by another program: QEMU's message, the end of a serial log. */
  details?: readonly string[] | undefined;
}

/** An expected failure as a value: everything up to the plan returns all of its problems at once. */
export type Result<T> = { ok: true; value: T } | { ok: false; problems: readonly Problem[] };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function failed(...problems: readonly Problem[]): Result<never> {
  return { ok: false, problems };
}

/** Joins results: all values in order, or the problems of all of them. */
export function all<T>(results: readonly Result<T>[]): Result<T[]> {
  const problems = results.flatMap((result) => (result.ok ? [] : result.problems));
  if (problems.length > 0) return { ok: false, problems };
  return ok(results.flatMap((result) => (result.ok ? [result.value] : [])));
}

/** Error that executors throw: carries a problem to the runner or to `main`. */
export class TransientError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.message, options);
    this.name = 'TransientError';
    this.problem = problem;
  }
}

/** The value of a result; throws the first of its problems, with the messages of the others as details. */
export function valueOrThrow<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  const [first, ...others] = result.problems;
  if (first === undefined) throw new Error('a failure has problems');
  const details = [...(first.details ?? []), ...others.map(({ message }) => message)];
  throw new TransientError(details.length === 0 ? first : { ...first, details });
}

/** Converts any thrown value to a problem; anything unexpected is reported as an internal error. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof TransientError) return thrown.problem;
  if (isSystemError(thrown) && HOST_FAULTS.has(thrown.code)) return hostProblem(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    reason: 'internal',
    message: `internal error: ${message}`,
    hint: 'this is a bug in transient; run again with -vv and report what it prints',
    ...(thrown instanceof Error && thrown.stack ? { details: thrown.stack.split('\n').slice(1) } : {}),
  };
}

/** Error codes caused by the host rather than by a bug. */
const HOST_FAULTS = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'EMFILE', 'ENFILE']);

function hostProblem(error: SystemError): Problem {
  const place = error.path === undefined ? '' : ` ${error.path}`;
  return { reason: 'host', message: `cannot ${error.syscall}${place}: ${systemMessage(error)}` };
}

/** Node's error for a failed system call. */
interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
  /** Destination path of a copy or rename. */
  readonly dest?: string;
}

export function isSystemError(thrown: unknown): thrown is SystemError {
  return thrown instanceof Error && 'syscall' in thrown && errorCode(thrown) !== undefined;
}

/** The code of a failed system call (`ENOENT`, `EACCES`…), or undefined. */
export function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}

/**
 * Message for a failed system call, without its name and path: that of the C library where it is clear, since people and
 * scripts search for it.
 */
export function systemMessage(thrown: unknown): string {
  switch (errorCode(thrown)) {
    case 'ENOENT':
      return 'No such file or directory';
    case 'EACCES':
    case 'EPERM':
      return 'Permission denied';
    case 'ENOSPC':
      return 'No space left on the disk';
    case 'EDQUOT':
      return 'Disk quota exceeded';
    case 'EEXIST':
      return 'a file with that name exists';
    case 'ENAMETOOLONG':
      return 'the name is too long';
    case 'EISDIR':
      return 'it is a directory';
    case 'ENOTDIR':
      return 'it or a component of its path is not a directory';
    case 'EROFS':
      return 'the filesystem is read-only';
    default:
      return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
