import { setMaxListeners } from 'node:events';
import { TransientError, type Problem } from '../problem.ts';

/**
 * Every wait that no option limits, in seconds; docs/endings.md is generated from it. `after` describes what happens then.
 */
export const DEADLINES = {
  'program-end': {
    seconds: 2,
    wait: 'a program that was sent SIGTERM',
    after: 'it and its process group are killed',
  },
  'program-output': {
    seconds: 0.5,
    wait: 'the last output of a program that was ended',
    after: 'the rest is dropped',
  },
  'program-version': {
    seconds: 10,
    wait: 'a program that doctor asks for its version',
    after: 'it is listed as not usable',
  },
  'step-end': {
    seconds: 5,
    wait: 'a step that was aborted',
    after: 'the run goes on without it',
  },
  ending: {
    seconds: 30,
    wait: 'the whole run after its first signal',
    after: 'it is ended at once, as by a second signal',
  },
  exit: {
    seconds: 5,
    wait: 'the end of the run after its second signal',
    after: 'the process exits; programs that it started are killed and its run directory is removed',
  },
  reader: {
    seconds: 1,
    wait: 'the reader of our stdout or stderr, after a signal',
    after: 'what it has not read is dropped',
  },
  'guest-probe': {
    seconds: 30,
    wait: 'the first answer of a guest after the login, and the restoring of keys on its disk',
    after: 'the step fails, and the VM is killed',
  },
  join: {
    seconds: 60,
    wait: 'a guest that joins its networks',
    after: 'the step fails',
  },
  mount: {
    seconds: 60,
    wait: 'the mounting of shared folders',
    after: 'the step fails, and the VM is killed',
  },
  unmount: {
    seconds: 15,
    wait: 'the unmounting of shared folders',
    after: 'the guest is considered unresponsive and killed',
  },
  'folder-end': {
    seconds: 3,
    wait: 'what a guest still writes to a folder that was unmounted, and the end of its server',
    after: 'the server is killed',
  },
  virtiofsd: {
    seconds: 10,
    wait: 'the socket of virtiofsd',
    after: 'the step fails',
  },
  'builder-boot': {
    seconds: 120,
    wait: 'the builder VM, until it has booted and mounted the disk',
    after: 'the step fails',
  },
  'builder-idle': {
    seconds: 10,
    wait: 'the builder VM, to notice that a copy was aborted',
    after: 'it is killed',
  },
  'builder-stop': {
    seconds: 120,
    wait: 'the builder VM, to write and unmount the disk',
    after: 'it is killed, and the step fails: what was copied may be incomplete',
  },
  'copy-complaint': {
    seconds: 1,
    wait: "a guest's reason for having sent no archive",
    after: 'the copy fails without it',
  },
  'vm-stop': {
    seconds: 300,
    wait: 'the process that runs a VM, to end it when "transient stop" asks for that',
    after: 'the command fails and names the process',
  },
  'supervisor-begin': {
    seconds: 60,
    wait: 'the process that runs a detached project, to report its start',
    after: 'the command fails',
  },
  'supervisor-start': {
    seconds: 10,
    wait: 'another process that holds the lock of a detached project, to run it',
    after: 'the command fails and names the process',
  },
  'supervisor-order': {
    seconds: 30,
    wait: 'the first request to a process that runs a detached project',
    after: 'it ends',
  },
  'supervisor-answer': {
    seconds: 10,
    wait: 'the process that runs a detached project, to accept a request',
    after: 'the command fails; "transient down --kill" ends that process',
  },
  'supervisor-end': {
    seconds: 60,
    wait: 'the end of the process that ran a detached project',
    after: 'the command fails and names the process',
  },
  'ssh-banner': {
    seconds: 10,
    wait: 'the banner of an ssh server that has accepted a connection',
    after: 'the connection is retried',
  },
  'ssh-master': {
    seconds: 1,
    wait: 'the end of a connection, after a session on it has broken',
    after: 'the session is considered to have ended by itself',
  },
  'guest-last-words': {
    seconds: 1,
    wait: 'what runs in a guest that has rebooted, powered off or panicked',
    after: 'it is ended, and the run with it',
  },
  'guest-going-down': {
    seconds: 10,
    wait: 'a guest that has closed its connections, to reboot or to power off',
    after: 'the run ends without knowing why',
  },
  lock: {
    seconds: 3600,
    wait: 'another process that creates or removes the same image, VM or builder VM',
    after: 'the command fails, and names that process',
  },
} as const satisfies Readonly<Record<string, DeadlineRow>>;

interface DeadlineRow {
  readonly seconds: number;
  /** Subject of the wait, for a row in the documentation. */
  readonly wait: string;
  readonly after: string;
}

export type DeadlineName = keyof typeof DEADLINES;

/** Environment variable with a factor for all deadlines: larger for a slow host, smaller for the tests. */
export const PATIENCE_VARIABLE = 'TRANSIENT_PATIENCE';

/** Limit of a wait in the table, in milliseconds. */
export function patience(name: DeadlineName): number {
  return DEADLINES[name].seconds * 1000 * patienceFactor();
}

function patienceFactor(): number {
  const factor = Number(process.env[PATIENCE_VARIABLE] ?? 1);
  return Number.isFinite(factor) && factor > 0 ? factor : 1;
}

/** A signal released with the scope that opened it: `using limit = within(signal, 5000)`. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  readonly abort: (reason?: unknown) => void;
}

/** A scope with a time limit. */
export interface Deadline extends LinkedSignal {
  /** Whether it was ended by the time limit, not by an outer signal. */
  readonly expired: boolean;
}

/**
 * A signal that is aborted with any of the given ones. `AbortSignal.any` and `AbortSignal.timeout` hold each other weakly:
 * on Node 20 neither fires after a garbage collection, hence our own controller and listeners.
 */
export function linked(...signals: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController();
  // one for each step that runs at the same time, of which Node would warn the user
  setMaxListeners(0, controller.signal);
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

/** A signal that is aborted with the given one, or after a time in milliseconds if there is one. */
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
 * Runs work with a time limit in milliseconds: when it expires, the work's signal is aborted and `late` is thrown. The work
 * must end with its signal.
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

/** Runs work that cannot be aborted with a time limit: it is abandoned when that expires. */
export async function beforeLate<T>(work: Promise<T>, milliseconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
