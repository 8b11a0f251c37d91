import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { SshSpec } from '../config/vm-spec.ts';
import { exists } from '../host/exists.ts';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { patience } from '../host/deadline.ts';
import type { Tail } from '../host/tail.ts';
import { tailOf } from '../host/tail.ts';
import { ConnectionLost } from './fate.ts';
import type { Offer } from './keys.ts';
import { lendConnection } from './lent-connection.ts';

/** Where the user's ssh program connects to, with the files it needs. */
export interface Target {
  readonly ssh: SshSpec;
  readonly port: number;
  /** Private keys to offer. */
  readonly keyFiles: readonly string[];
  /** Whose they are; without those of an agent the program is kept from offering them. */
  readonly offer: Offer;
  /** Socket by which sessions share one login; without it each logs in for itself. */
  readonly controlPath: string | undefined;
  /** That login, where it is ours. */
  readonly master?: Master | undefined;
  /** Software emulation makes a guest slow to answer. */
  readonly isEmulated: boolean;
}

/** Longest path of a unix socket, and what ssh appends to it while it makes the socket, in bytes. */
const SOCKET_PATH = 107;
const SOCKET_SUFFIX = 17;

/** Time between two looks whether a login has come through, in milliseconds. */
const INTERVAL = 10;

/** Who a session of the ssh program is for: the user, who may have it as they like, or us. */
export type Purpose = 'user' | 'internal';

/** Options (ssh_config(5)) that our own sessions depend on: those of the user are for the user's sessions alone. */
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
 * Arguments for the user's ssh program, up to and with the host, behind which `--` and a command may come. No file of
 * configuration is read: what it says for all hosts (ssh_config(5)) would break our sessions, and take an agent or forwards
 * into the guest. Throw-away guests have throw-away host keys.
 */
export function sshArguments(
  { ssh, port, keyFiles, offer, controlPath, isEmulated }: Target,
  purpose: Purpose,
): string[] {
  const options = purpose === 'user' ? ssh.options : ssh.options.filter((option) => !isInternal(option));
  return [
    ...['-F', 'none'],
    // ssh takes the first value it hears: what the user says comes before ours
    ...options.flatMap((option) => ['-o', option]),
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
    ...['-o', `ServerAliveInterval=${ALIVE_INTERVAL}`],
    ...['-o', `ServerAliveCountMax=${isEmulated ? ALIVE_COUNT.emulated : ALIVE_COUNT.kvm}`],
    ...(controlPath === undefined ? [] : ['-o', `ControlPath=${plainPath(controlPath)}`]),
    ...(offer === 'agent' ? [] : ['-o', 'IdentitiesOnly=yes']),
    // of a path behind -i ssh takes the tokens, and then refuses what stands for one of them
    ...keyFiles.flatMap((file) => ['-o', `IdentityFile="${plainPath(file)}"`]),
    ...['-p', String(port), '-l', ssh.user],
    '127.0.0.1',
  ];
}

/** A path in which ssh replaces nothing (ssh_config(5), TOKENS). */
export function plainPath(path: string): string {
  return path.replaceAll('%', '%%');
}

function isInternal(option: string): boolean {
  const name = /^\s*(\w+)/.exec(option)?.[1]?.toLowerCase();
  return INTERNAL.some((one) => one.toLowerCase() === name);
}

/**
 * A guest that lets so many messages pass without an answer, one every so many seconds, is gone: its network never says so,
 * since slirp keeps the connection.
 */
const ALIVE_INTERVAL = 15;
const ALIVE_COUNT = { kvm: 4, emulated: 12 } as const;

/** Whether a control socket can have this path. */
export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) + SOCKET_SUFFIX <= SOCKET_PATH;
}

/** What a master is told beyond what every session is: to stay, to ask nobody anything, and to tell why it ends. */
const MASTER_OPTIONS = [
  'ControlMaster=yes',
  'ControlPersist=no',
  'BatchMode=yes',
  'ConnectTimeout=20',
  'LogLevel=INFO',
];

/** A login that is kept open for sessions. */
export class Master {
  readonly #child: Child;
  readonly #words: Tail;
  #isOpen = true;

  constructor(child: Child, words: Tail) {
    this.#child = child;
    this.#words = words;
    void child.exited.then(() => (this.#isOpen = false));
  }

  /** Whether the connection has ended by itself, and how; looks again for a moment where a session has just broken. */
  async loss(): Promise<ConnectionLost | undefined> {
    await Promise.race([this.#child.exited, delay(patience('ssh-master'), undefined, { ref: false })]);
    if (this.#isOpen) return undefined;
    const timedOut = this.#words.lines.some((line) => /Timeout, server .* not responding/.test(line));
    return new ConnectionLost(timedOut ? 'stopped answering' : 'closed the connection');
  }

  /** Ends it and returns when its process is gone. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }
}

/**
 * Logs in with the user's ssh program and keeps the connection for its sessions (ControlMaster, ssh_config(5)): the
 * handshake, which takes seconds in an emulated guest, is made once. It is made on a connection that the guest has greeted
 * already, where there is one. Returns the guest's refusal where it has one.
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
  const child = await startChild(target.ssh.program, args, { ownGroup: true });
  const words = tailOf(child.stderr);
  const master = new Master(child, words);
  void child.exited.then(() => lent?.close());
  if (await connects(child, target.controlPath, signal)) return master;
  await master.close();
  signal.throwIfAborted();
  return { refused: words.lines.at(-1)?.trim() ?? '' };
}

/** Waits until ssh is logged in, which is when it makes its socket; false when it ended or was not to go on. */
async function connects(child: Child, path: string, signal: AbortSignal): Promise<boolean> {
  const end = new AbortController();
  void child.exited.then(() => end.abort());
  while (!end.signal.aborted && !signal.aborted) {
    if (await exists(path)) return true;
    await delay(INTERVAL);
  }
  return false;
}
