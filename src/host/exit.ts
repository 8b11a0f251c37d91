import { constants } from 'node:os';
import { TransientError } from '../problem.ts';

/** Exit status of a child; a signal is given by name. */
export interface Exit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** Exit information of an execa result. */
export function exitOf(result: { exitCode?: number | undefined; signal?: string | undefined }): Exit {
  return { code: result.exitCode, signal: result.signal };
}

/** The exit code that a shell would give: the program's own, or 128 and the number of the signal. */
export function shellExitCode({ code, signal }: Exit): number {
  if (code !== undefined) return code;
  const number = signal === undefined ? undefined : (constants.signals as Record<string, number>)[signal];
  return 128 + (number ?? 0);
}

/** Error for a failed program, with the last lines of its output. */
export function programFailed(program: string, exit: Exit, stderr: string): TransientError {
  const how = exit.signal ? `killed by ${exit.signal}` : `exit code ${exit.code ?? 'unknown'}`;
  const details = stderr.trim().split('\n').filter(Boolean).slice(-10);
  return new TransientError({ reason: 'program-failed', message: `${program} failed (${how})`, details });
}
