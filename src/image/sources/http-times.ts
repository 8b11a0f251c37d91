/** Timeouts and minimum rate of a download. Times in milliseconds. */
export interface HttpTimes {
  /**
   * How long a server may send nothing, including before its response; also the window in which it must meet the
   * minimum rate.
   */
  readonly idle: number;
  /** Delay before the first retry; it doubles with each further one. */
  readonly retryDelay: number;
  /** Minimum rate, in bytes per second; a slower server counts as silent. */
  readonly leastRate: number;
}

const STANDARD: HttpTimes = { idle: 30_000, retryDelay: 500, leastRate: 1000 };

/** Network timeouts, which the environment can override. */
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

/** Number of bytes that must arrive within the window. */
export function leastBytes({ idle, leastRate }: HttpTimes): number {
  return Math.ceil((leastRate * idle) / 1000);
}
