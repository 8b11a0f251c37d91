import { rm } from 'node:fs/promises';
import type { SshSpec } from '../config/ssh.ts';
import { limited, patience } from '../host/deadline.ts';
import { exists } from '../host/exists.ts';
import { keyPairIn } from '../host/key-pair.ts';
import type { Executors, StepContext } from '../plan/executor.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import type { ScriptResult, GuestShell } from '../transfer/guest-shell.ts';
import { CHANGED, insertionScript, restorationScript } from './login-key-scripts.ts';
import { publicKeyOf } from './ssh.ts';

/** Runs a script in the guest as the logged-in user. */
export type RunScript = (script: string, signal: AbortSignal) => Promise<ScriptResult>;

/**
 * Replaces or restores the well-known keys of a guest as requested. `file` is, or becomes, the private key that
 * replaces them.
 */
export async function treatWellKnownKeys(
  { wellKnownKeys }: SshSpec,
  file: string,
  run: RunScript,
  context: Pick<StepContext, 'signal' | 'warn'>,
): Promise<void> {
  if (wellKnownKeys === 'replace') await insertLoginKey(file, run, context);
  if (wellKnownKeys === 'restore' && (await exists(file))) await restoreKeys(run, 'user', context.signal);
}

/**
 * Replaces the well-known keys of a guest, which anybody has, by one whose private half is `file`. The file exists
 * before the guest has its key, and remains as long as the guest may have it.
 */
async function insertLoginKey(
  file: string,
  run: RunScript,
  { signal, warn }: Pick<StepContext, 'signal' | 'warn'>,
): Promise<void> {
  const key = await keyPairIn(file, publicKeyOf);
  const answer = await run(insertionScript(key.public), signal);
  if (answer.code !== 0) warn(stillOpen(answer));
  else if (!answer.stdout.includes(CHANGED) && key.isNew) await rm(file, { force: true });
}

/** Executor that restores the well-known keys on a disk mounted by the builder. */
export function keyExecutor(
  diskOf: (vm: string) => Pick<GuestShell, 'run'>,
): Pick<Executors, 'keys.restore'> {
  return {
    'keys.restore': async ({ vm }, { signal }) => {
      const disk = diskOf(vm);
      await limited(signal, patience('guest-probe'), silentDisk, async (until) =>
        restoreKeys(async (script) => disk.run(script, until), 'all', until),
      );
    },
  };
}

/** Restores the well-known keys of a guest that were replaced. */
async function restoreKeys(run: RunScript, whose: 'user' | 'all', signal: AbortSignal): Promise<void> {
  const answer = await run(restorationScript(whose), signal);
  if (answer.code !== 0) throw new TransientError(notRestored(answer));
}

function stillOpen({ stderr }: ScriptResult): Problem {
  return {
    reason: 'guest',
    message: `any user of this host can still log in to the guest: Vagrant's public key could not be replaced there`,
    details: firstLines(stderr),
    hint: 'set insert-key = false to keep that key without a warning',
  };
}

function silentDisk(): Problem {
  return {
    reason: 'machine',
    message: `the builder VM did not respond within ${patience('guest-probe') / 1000} s`,
  };
}

function notRestored({ stderr }: ScriptResult): Problem {
  return {
    reason: 'guest',
    message: `the image's own keys could not be restored in the guest`,
    details: firstLines(stderr),
  };
}

function firstLines(text: string): string[] {
  return text.split('\n').filter(Boolean).slice(0, 3);
}
