import { setTimeout as delay } from 'node:timers/promises';
import type { SshSpec } from '../config/vm-spec.ts';
import { exists } from '../host/exists.ts';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';

/** Where the user's ssh program connects to, with the files it needs. */
export interface Target {
  readonly ssh: SshSpec;
  readonly port: number;
  /** Private keys to offer: the Vagrant key first, then the user's own. */
  readonly keyFiles: readonly string[];
  /** Whether the keys of an agent are offered too: with many of them a server hangs up before ours is tried. */
  readonly withAgent: boolean;
  /** Socket by which sessions share one login; without it each logs in for itself. */
  readonly controlPath: string | undefined;
}

/** Longest path of a unix socket, and what ssh appends to it while it makes the socket, in bytes. */
const SOCKET_PATH = 107;
const SOCKET_SUFFIX = 17;

/** Time between two looks whether a login has come through, in milliseconds. */
const INTERVAL = 10;

/** Arguments for the user's ssh program, up to and without the command. Throw-away guests have throw-away host keys. */
export function sshArguments({ ssh, port, keyFiles, withAgent, controlPath }: Target): string[] {
  return [
    // ssh takes the first value it hears: what the user says comes before ours
    ...ssh.options.flatMap((option) => ['-o', option]),
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
    ...(controlPath === undefined ? [] : ['-o', `ControlPath=${controlPath.replaceAll('%', '%%')}`]),
    ...(withAgent ? [] : ['-o', 'IdentitiesOnly=yes']),
    ...keyFiles.flatMap((file) => ['-i', file]),
    ...['-p', String(port), '-l', ssh.user],
    '127.0.0.1',
  ];
}

/** Whether a control socket can have this path. */
export function fitsSocket(path: string): boolean {
  return Buffer.byteLength(path) + SOCKET_SUFFIX <= SOCKET_PATH;
}

/** A login that is kept open for sessions. */
export interface Master {
  /** Ends it and returns when its process is gone. */
  close: () => Promise<void>;
}

/** What a master is told beyond what every session is: to stay, and to ask nobody anything. */
const MASTER_OPTIONS = ['ControlMaster=yes', 'ControlPersist=no', 'BatchMode=yes', 'ConnectTimeout=20'];

/**
 * Logs in with the user's ssh program and keeps the connection for its sessions (ControlMaster, ssh_config(5)): the
 * handshake, which takes seconds in an emulated guest, is made once. Returns the guest's refusal where it has one.
 */
export async function openMaster(
  target: Target & { controlPath: string },
  signal: AbortSignal,
): Promise<Master | { refused: string }> {
  const options = MASTER_OPTIONS.flatMap((option) => ['-o', option]);
  const args = [...options, '-N', ...sshArguments(target)];
  const child = await startChild(target.ssh.program, args, { ownGroup: true });
  const said: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await child.exited;
  };
  if (await connects(child, target.controlPath, signal)) return { close };
  await close();
  signal.throwIfAborted();
  return { refused: Buffer.concat(said).toString().trim().split('\n').at(-1) ?? '' };
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
