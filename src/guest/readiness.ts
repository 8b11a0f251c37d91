import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { SshSpec } from '../config/vm-spec.ts';
import { linked, within } from '../host/deadline.ts';
import type { Machine, MachineEnd, SerialTail } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import { TransientError } from '../problem.ts';
import { awaitBanner } from './ssh-banner.ts';

/**
 * Tries once to log in, the first time on the connection that the guest greeted. Returns the guest's refusal where it
 * has one; rejects only when the signal is aborted.
 */
export type LoginTry = (signal: AbortSignal, greeted?: Socket) => Promise<string | undefined>;

/**
 * Times between logins while a guest answers and still refuses them, in milliseconds, of which the last is repeated.
 * OpenSSH holds a refused login against all clients for 5 s and turns them away once more than 15 s have come together
 * (sshd_config(5), PerSourcePenalties).
 */
const LOGIN_INTERVALS = [300, 2000, 5000] as const;

/** From here on it tells a guest that hangs from one that is slow that its console says nothing, in seconds. */
const LONG_SILENCE = 10;

/** Waits until a login succeeds; returns QEMU's end when that comes first. */
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
  using late = within(signal, ssh.timeout * 1000);
  const until = late.signal;
  let refused: string | undefined;
  try {
    const greeted = await awaitBanner(sshPortOf(machine), until, machine.network);
    refused = await tryLogin(until, greeted);
    for (let tries = 0; refused !== undefined; tries += 1) {
      await delay(LOGIN_INTERVALS[tries] ?? LOGIN_INTERVALS.at(-1), undefined, { signal: until });
      refused = await tryLogin(until);
    }
  } catch (error) {
    if (!late.expired) throw error;
    throw noLogin(ssh, refused, await machine.serialTail());
  }
}

/** The port of a machine that has an ssh card; to ask it of another is a mistake of the plan. */
export function sshPortOf({ sshPort }: Machine): number {
  if (sshPort === undefined) throw new Error('a VM without an ssh card is to be reached over ssh');
  return sshPort;
}

function noLogin(ssh: SshSpec, refused: string | undefined, serial: SerialTail): TransientError {
  const message =
    refused === undefined
      ? `the guest did not offer ssh within ${ssh.timeout} s`
      : `the guest offers ssh, but did not let user "${ssh.user}" in within ${ssh.timeout} s: ${refused}`;
  const hint =
    refused === undefined
      ? 'give it more time with --ssh-timeout, or look at its console: run it without ssh, or with --ssh-with-serial'
      : 'name another user with --ssh-user; the guest must know the public Vagrant key, or a key of ~/.ssh, of your agent or of --ssh-option IdentityFile=PATH';
  return new TransientError({ reason: 'guest', message, hint, details: serialDetails(serial) });
}

function serialDetails(tail: SerialTail): readonly string[] {
  const since =
    tail.silence < LONG_SILENCE ? '' : `, which has said nothing for ${Math.round(tail.silence)} s`;
  const excerpt = serialExcerpt(tail, since);
  return excerpt.length > 0 ? excerpt : ['its serial console said nothing'];
}
