import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { SshSpec } from '../config/ssh.ts';
import { linked, within } from '../host/deadline.ts';
import type { Machine, MachineEnd } from '../plan/executor.ts';
import { DifferentHostKey } from './host-key.ts';
import { explained, noLogin } from './login-failure.ts';
import { awaitBanner } from './ssh-banner.ts';

/**
 * Attempts one login, the first time on the connection that received the banner. Returns the guest's refusal, if any;
 * rejects only when the signal is aborted.
 */
export type LoginTry = (signal: AbortSignal, greeted?: Socket) => Promise<string | undefined>;

/**
 * Intervals between refused logins, in milliseconds; the last one repeats. OpenSSH penalises every client for 5 s after
 * a refused login, and rejects them once more than 15 s have accumulated (sshd_config(5), PerSourcePenalties).
 */
const LOGIN_INTERVALS = [300, 2000, 5000] as const;

/** Waits until a login succeeds; returns QEMU's end if that comes first. */
export async function awaitReady(
  machine: Machine,
  ssh: SshSpec,
  tryLogin: LoginTry,
  signal: AbortSignal,
): Promise<MachineEnd | undefined> {
  using until = linked(signal);
  try {
    const ready = awaitLogin(machine, ssh, tryLogin, until.signal).then(() => undefined);
    return await Promise.race([machine.ended, ready]);
  } finally {
    until.abort();
  }
}

async function awaitLogin(
  machine: Machine,
  ssh: SshSpec,
  tryLogin: LoginTry,
  signal: AbortSignal,
): Promise<void> {
  const timeout = timeoutOf(machine, ssh);
  using deadline = within(signal, timeout * 1000);
  const until = deadline.signal;
  let refused: string | undefined;
  try {
    const greeted = await awaitBanner(sshPortOf(machine), until, machine.network);
    refused = await tryLogin(until, greeted);
    for (let tries = 0; refused !== undefined; tries += 1) {
      await delay(LOGIN_INTERVALS[tries] ?? LOGIN_INTERVALS.at(-1), undefined, { signal: until });
      refused = await tryLogin(until);
    }
  } catch (error) {
    if (error instanceof DifferentHostKey) throw await explained(error, machine);
    if (!deadline.expired) throw error;
    throw await noLogin({ user: ssh.user, timeout, refused }, machine);
  }
}

/** Time in seconds that a guest has until it accepts a login. */
function timeoutOf({ isEmulated }: Machine, { timeout, emulatedTimeout = timeout }: SshSpec): number {
  return isEmulated ? emulatedTimeout : timeout;
}

/** Returns the ssh port of a machine; a machine without an ssh card is a bug in the plan. */
export function sshPortOf({ sshPort }: Machine): number {
  if (sshPort === undefined) throw new Error('a VM without an ssh card cannot be reached over ssh');
  return sshPort;
}
