import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { SshSpec } from '../config/ssh.ts';
import { linked, within } from '../host/deadline.ts';
import type { Machine, MachineEnd, SerialTail } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import { TransientError } from '../problem.ts';
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

/** Silence on the console after which it is mentioned, in seconds: it tells a hanging guest from a slow one. */
const LONG_SILENCE = 10;

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
  using deadline = within(signal, ssh.timeout * 1000);
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
    if (!deadline.expired) throw error;
    throw noLogin(ssh, refused, await machine.serialTail(), machine.seed !== undefined);
  }
}

/** Returns the ssh port of a machine; a machine without an ssh card is a bug in the plan. */
export function sshPortOf({ sshPort }: Machine): number {
  if (sshPort === undefined) throw new Error('a VM without an ssh card cannot be reached over ssh');
  return sshPort;
}

function noLogin(
  ssh: SshSpec,
  refused: string | undefined,
  serial: SerialTail,
  isSeeded: boolean,
): TransientError {
  const message =
    refused === undefined
      ? `the guest did not offer ssh within ${ssh.timeout} s`
      : `the guest offers ssh, but did not accept a login of user "${ssh.user}" within ${ssh.timeout} s: ${refused}`;
  const hint =
    refused === undefined
      ? 'raise the limit with --ssh-timeout, or watch its console: run it without ssh, or with --ssh-with-serial'
      : isSeeded
        ? 'cloud-init creates that user at the first boot, unless user-data has its own list of users; it may need more time (--ssh-timeout)'
        : 'choose another user with --ssh-user; the guest must accept the Vagrant public key, or a key from ~/.ssh, your agent or --ssh-option IdentityFile=PATH';
  return new TransientError({ reason: 'guest', message, hint, details: serialDetails(serial) });
}

function serialDetails(tail: SerialTail): readonly string[] {
  const since = tail.silence < LONG_SILENCE ? '' : `, silent for ${Math.round(tail.silence)} s`;
  const excerpt = serialExcerpt(tail, since);
  return excerpt.length > 0 ? excerpt : ['there was no output on its serial console'];
}
