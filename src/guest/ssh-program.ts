import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { HOST_KEY_ALIAS } from '../config/seed-spec.ts';
import type { SshSpec } from '../config/ssh.ts';
import { exists } from '../host/exists.ts';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { patience } from '../host/deadline.ts';
import type { Tail } from '../host/tail.ts';
import { tailOf } from '../host/tail.ts';
import { ConnectionLost } from './fate.ts';
import type { Offer } from './keys.ts';
import { DifferentHostKey } from './host-key.ts';
import { lendConnection } from './lent-connection.ts';

/** Connection parameters for the user's ssh program. */
export interface Target {
  readonly ssh: SshSpec;
  readonly port: number;
  /** Private keys to offer. */
  readonly keyFiles: readonly string[];
  /** The offer they belong to; unless it includes an agent, the program is kept from offering an agent's keys. */
  readonly offer: Offer;
  /** File with the guest's host key, if that is known. */
  readonly knownHosts?: string | undefined;
  /** Control socket of the shared login; without it each session logs in by itself. */
  readonly controlPath: string | undefined;
  /** The shared login, if this process owns it. */
  readonly master?: Master | undefined;
  /** Software emulation, which makes a guest slow to respond. */
  readonly isEmulated: boolean;
}

/** Maximum length of a unix socket path, and of the suffix that ssh appends while it creates the socket, in bytes. */
const SOCKET_PATH = 107;
const SOCKET_SUFFIX = 17;

/** Poll interval for a login's control socket, in milliseconds. */
const INTERVAL = 10;

/** Purpose of an ssh session: for the user, with the user's options, or internal. */
export type Purpose = 'user' | 'internal';

/** Options (ssh_config(5)) of internal sessions; the user's options apply to the user's sessions only. */
const INTERNAL = [
  'ControlMaster',
  'ControlPath',
  'ControlPersist',
  'ForkAfterAuthentication',
  'LocalCommand',
  'PermitLocalCommand',
  'RemoteCommand',
  'RequestTTY',
  'SessionType',
  'StdinNull',
];

/**
 * Arguments for the user's ssh program, up to and including the host, after which `--` and a command may follow. No
 * configuration file is read: settings for all hosts (ssh_config(5)) would break internal sessions, and forward an
 * agent or ports into the guest.
 */
export function sshArguments(
  { ssh, port, keyFiles, offer, knownHosts, controlPath, isEmulated }: Target,
  purpose: Purpose,
): string[] {
  const options = purpose === 'user' ? ssh.options : ssh.options.filter((option) => !isInternal(option));
  return [
    ...['-F', 'none'],
    // the first value wins in ssh: options of the user come before ours
    ...options.flatMap((option) => ['-o', option]),
    ...hostKeyOptions(knownHosts).flatMap((option) => ['-o', option]),
    ...['-o', 'LogLevel=ERROR'],
    ...['-o', `ServerAliveInterval=${ALIVE_INTERVAL}`],
    ...['-o', `ServerAliveCountMax=${isEmulated ? ALIVE_COUNT.emulated : ALIVE_COUNT.kvm}`],
    ...(controlPath === undefined ? [] : ['-o', `ControlPath=${plainPath(controlPath)}`]),
    ...(offer === 'agent' ? [] : ['-o', 'IdentitiesOnly=yes']),
    // ssh expands tokens in a path after -i, and then rejects an escaped token
    ...keyFiles.flatMap((file) => ['-o', `IdentityFile="${plainPath(file)}"`]),
    ...['-p', String(port), '-l', ssh.user],
    '127.0.0.1',
  ];
}

/** Options (ssh_config(5)) that verify the host key of a guest; without a known one, a throw-away guest has a throw-away key. */
export function hostKeyOptions(knownHosts: string | undefined): string[] {
  if (knownHosts === undefined) return ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
  return [
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile="${plainPath(knownHosts)}"`,
    'GlobalKnownHostsFile=/dev/null',
    `HostKeyAlias=${HOST_KEY_ALIAS}`,
    // the file says all there is to know
    'UpdateHostKeys=no',
  ];
}

/** Escapes a path against token expansion (ssh_config(5), TOKENS). */
export function plainPath(path: string): string {
  return path.replaceAll('%', '%%');
}

function isInternal(option: string): boolean {
  const name = /^\s*(\w+)/.exec(option)?.[1]?.toLowerCase();
  return INTERNAL.some((one) => one.toLowerCase() === name);
}

/**
 * Keep-alive settings: interval in seconds and number of unanswered messages after which a guest counts as lost. Its
 * network never reports that, since slirp keeps the connection open.
 */
const ALIVE_INTERVAL = 15;
const ALIVE_COUNT = { kvm: 4, emulated: 12 } as const;

/** Whether a path is short enough for a control socket. */
export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) + SOCKET_SUFFIX <= SOCKET_PATH;
}

/** Further options of a master connection: to stay, to ask nothing, and to report why it ends. */
const MASTER_OPTIONS = [
  'ControlMaster=yes',
  'ControlPersist=no',
  'BatchMode=yes',
  'ConnectTimeout=20',
  'LogLevel=INFO',
];

/** A master connection for sessions. */
export class Master {
  readonly #child: Child;
  readonly #words: Tail;
  #isOpen = true;

  constructor(child: Child, stderr: Tail) {
    this.#child = child;
    this.#words = stderr;
    void child.exited.then(() => (this.#isOpen = false));
  }

  /** Returns how the connection was lost, if it was; polls for a moment after a session has broken. */
  async loss(): Promise<ConnectionLost | undefined> {
    await Promise.race([this.#child.exited, delay(patience('ssh-master'), undefined, { ref: false })]);
    if (this.#isOpen) return undefined;
    const timedOut = this.#words.lines.some((line) => /Timeout, server .* not responding/.test(line));
    return new ConnectionLost(timedOut ? 'stopped responding' : 'closed the connection');
  }

  /** Closes it and waits for its process to exit. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/**
 * Logs in with the user's ssh program and keeps the connection for its sessions (ControlMaster, ssh_config(5)), so that
 * the handshake, which takes seconds in an emulated guest, happens once. Uses the connection that received the banner,
 * if there is one. Returns the guest's refusal, if any; throws for a guest with another host key than the known one.
 */
export async function openMaster(
  target: Target & { controlPath: string },
  signal: AbortSignal,
  greeted?: Socket,
): Promise<Master | { refused: string }> {
  const lent = greeted && (await lendConnection(greeted));
  const options = MASTER_OPTIONS.flatMap((option) => ['-o', option]);
  const args = [
    ...options,
    '-N',
    ...sshArguments({ ...target, ...(lent ? { port: lent.port } : {}) }, 'internal'),
  ];
  const child = await startChild(target.ssh.program, args, { newProcessGroup: true });
  const stderr = tailOf(child.stderr);
  const master = new Master(child, stderr);
  void child.exited.then(() => lent?.close());
  if (await connects(child, target.controlPath, signal)) return master;
  await master.close();
  signal.throwIfAborted();
  const refused = stderr.lines.at(-1)?.trim() ?? '';
  if (target.knownHosts !== undefined && refused.startsWith('Host key verification failed'))
    throw new DifferentHostKey();
  return { refused };
}

/**
 * Waits until ssh is logged in, which is when it creates its control socket; false if it exited or the wait was
 * aborted.
 */
async function connects(child: Child, path: string, signal: AbortSignal): Promise<boolean> {
  const end = new AbortController();
  void child.exited.then(() => end.abort());
  while (!end.signal.aborted && !signal.aborted) {
    if (await exists(path)) return true;
    await delay(INTERVAL);
  }
  return false;
}
