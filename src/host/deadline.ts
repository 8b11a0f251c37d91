import { TransientError, type Problem } from '../problem.ts';

/**
 * Every wait that no option bounds, in seconds; docs/deadlines.md is generated from it. `after` says what happens then.
 */
export const DEADLINES = {
  'program-end': {
    seconds: 2,
    wait: 'a program that was told to end (SIGTERM)',
    after: 'it is killed, with its process group',
  },
  'program-output': {
    seconds: 0.5,
    wait: 'the last output of a program that was ended',
    after: 'the rest is dropped',
  },
  lock: {
    seconds: 3600,
    wait: 'another process that makes or removes the same image, VM or builder VM',
    after: 'the command fails, and names that process',
  },
} as const satisfies Readonly<Record<string, DeadlineRow>>;

interface DeadlineRow {
  readonly seconds: number;
  /** What is waited for, as the subject of a row in the documentation. */
  readonly wait: string;
  readonly after: string;
}

export type DeadlineName = keyof typeof DEADLINES;

/** Variable by which every deadline of the table is multiplied: more for a slow host, less for the tests. */
export const PATIENCE_VARIABLE = 'TRANSIENT_PATIENCE';

/** How long a wait of the table may take here, in milliseconds. */
export function patience(name: DeadlineName): number {
  return DEADLINES[name].seconds * 1000 * patienceFactor();
}

function patienceFactor(): number {
  const factor = Number(process.env[PATIENCE_VARIABLE] ?? 1);
  return Number.isFinite(factor) && factor > 0 ? factor : 1;
}

/** A signal that ends with the scope that opened it: `using limit = within(signal, 5000)`. */
export interface Scope extends Disposable {
  readonly signal: AbortSignal;
  readonly abort: (reason?: unknown) => void;
}

/** A scope that is over after some time. */
export interface Deadline extends Scope {
  /** Whether the time is what ended it, and none of the outer signals. */
  readonly expired: boolean;
}

/**
 * A signal that is aborted with any of the given ones. `AbortSignal.any` and `AbortSignal.timeout` hold each other weakly:
 * on Node 20 none of them fires after a garbage collection, hence a controller and listeners of our own.
 */
export function linked(...signals: readonly AbortSignal[]): Scope {
  const controller = new AbortController();
  const listeners = signals.map((signal) => ({ signal, listen: () => controller.abort(signal.reason) }));
  for (const { signal, listen } of listeners) {
    if (signal.aborted) listen();
    else signal.addEventListener('abort', listen, { once: true });
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => {
      for (const { signal, listen } of listeners) signal.removeEventListener('abort', listen);
    },
  };
}

/** The same, which also ends by itself after so many milliseconds; without a time only with the signal. */
export function within(signal: AbortSignal | undefined, milliseconds: number | undefined): Deadline {
  const scope = linked(...(signal ? [signal] : []));
  let expired = false;
  const expire = (): void => {
    if (scope.signal.aborted) return;
    expired = true;
    scope.abort(new DOMException('the time is over', 'TimeoutError'));
  };
  const timer = milliseconds === undefined ? undefined : setTimeout(expire, milliseconds);
  return {
    signal: scope.signal,
    abort: scope.abort,
    get expired() {
      return expired;
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      scope[Symbol.dispose]();
    },
  };
}

/**
 * Does some work within a time, given in milliseconds: when that is over, the work's own signal is aborted and `late` is
 * the error. The work has to end with its signal.
 */
export async function limited<T>(
  signal: AbortSignal,
  milliseconds: number | undefined,
  late: () => Problem | Promise<Problem>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using deadline = within(signal, milliseconds);
  try {
    return await work(deadline.signal);
  } catch (error) {
    if (!deadline.expired) throw error;
    throw new TransientError(await late(), { cause: error });
  }
}
