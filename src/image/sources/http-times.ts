/** How long a download waits for a server, and how little it puts up with. Times in milliseconds. */
export interface HttpTimes {
  /** How long a server may send nothing, also before its answer; the window in which it must keep the least rate. */
  readonly idle: number;
  /** Before the first retry; each further one waits twice as long. */
  readonly retryDelay: number;
  /** A server that sends less than this in the window is as good as silent, in bytes per second. */
  readonly leastRate: number;
}

const STANDARD: HttpTimes = { idle: 30_000, retryDelay: 500, leastRate: 1000 };

/** Times of the network, which the environment can change. */
export function httpTimes(environment: NodeJS.ProcessEnv): HttpTimes {
  const milliseconds = (name: string, standard: number): number => {
    const seconds = Number(environment[name] ?? '');
    return seconds > 0 ? seconds * 1000 : standard;
  };
  return {
    ...STANDARD,
    idle: milliseconds('TRANSIENT_HTTP_IDLE_TIMEOUT', STANDARD.idle),
    retryDelay: milliseconds('TRANSIENT_HTTP_RETRY_DELAY', STANDARD.retryDelay),
  };
}

/** So many bytes must come within the window. */
export function leastBytes({ idle, leastRate }: HttpTimes): number {
  return Math.ceil((leastRate * idle) / 1000);
}
