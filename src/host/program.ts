import { existsSync } from 'node:fs';
import which from 'which';
import { TransientError, errorCode, systemMessage } from '../problem.ts';

/** The path of a program; one that is not there is told by name, with the package that may hold it. */
export async function findProgram(name: string, hint?: string): Promise<string> {
  const path = await which(name, { nothrow: true });
  if (path) return path;
  if (name.includes('/') && existsSync(name)) throw couldNotRun(name, { code: 'EACCES' });
  throw new TransientError({
    reason: 'missing-program',
    message: `Required program '${name}' is not installed`,
    ...(hint ? { hint } : {}),
  });
}

/** Whether a program is there. */
export async function hasProgram(name: string): Promise<boolean> {
  return (await which(name, { nothrow: true })) !== null;
}

function couldNotRun(program: string, cause: unknown): TransientError {
  return new TransientError(
    {
      reason: 'program-failed',
      message: `Could not run required program '${program}': ${systemMessage(cause)}`,
      ...(errorCode(cause) === 'EACCES' ? { hint: `it must be executable: chmod +x ${program}` } : {}),
    },
    { cause },
  );
}
