import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild } from '../host/child.ts';
import { findProgram } from '../host/program.ts';
import { tailOf } from '../host/tail.ts';
import { TransientError } from '../problem.ts';
import type { GuestShell } from './guest-shell.ts';
import type { StagedCopy } from './staged-copy.ts';
import { nameIn } from './staged-copy.ts';
import type { Owner, HostSource } from './tar.ts';

/** Attributes that rsync preserves: the same as `cp -a`, including hard links, and holes. */
const KEEPING = ['-aHS', '--numeric-ids'];

/** Suppresses output other than errors: nobody reads it, so rsync would block forever. */
const SILENTLY = '--quiet';

/** File descriptor by which rsync's remote shell reaches the guest. */
const SOCKET_DESCRIPTOR = 3;

/**
 * The remote shell for rsync: it sends the command that rsync wants to run as a first line, and then passes bytes on in
 * both directions until the guest's side ends, since rsync waits for that. Its first argument is the host, of which
 * there is only one.
 */
const REMOTE_SHELL = `#!/bin/sh
shift
printf '%s\\n' "$*" >&${SOCKET_DESCRIPTOR}
exec 4<&0
cat <&4 >&${SOCKET_DESCRIPTOR} &
cat <&${SOCKET_DESCRIPTOR}
kill $!
`;

/** Synchronizes a path in the guest with a source on the host; unchanged data is not sent. */
export async function rsyncIn(
  source: HostSource,
  target: string,
  { uid, gid }: Owner,
  shell: GuestShell,
  signal: AbortSignal,
): Promise<void> {
  const from = source.isDirectory ? `${source.path}/` : source.path;
  const to = source.isDirectory ? `far:${target}/` : `far:${target}`;
  await runRsync([`--chown=${uid}:${gid}`, '--', from, to], shell, signal);
}

/**
 * Copied-out files belong to the user, also as root, who could give them away. The complete file list is sent first
 * (`--no-inc-recursive`): older versions of rsync let a guest escape from the directory by a link in a later part of
 * the list.
 */
const RECEIVING = ['--no-owner', '--no-group', '--no-D', '--chmod=ug-s,go-w', '--no-inc-recursive'];

/**
 * Receives a file or directory of the guest; files that are identical in the mirror of the target are not sent. The
 * target itself is no place for a program that follows links.
 */
export async function rsyncOut(
  guest: string,
  isDirectory: boolean,
  staged: Pick<StagedCopy, 'stage' | 'mirror'>,
  shell: GuestShell,
  signal: AbortSignal,
): Promise<void> {
  const name = nameIn(guest);
  const mirror = join(await staged.mirror(signal), isDirectory ? name : '');
  const to = join(staged.stage, name);
  const paths = isDirectory ? [`far:${guest.replace(/\/*$/, '/')}`, `${to}/`] : [`far:${guest}`, to];
  await runRsync([...RECEIVING, `--link-dest=${mirror}`, '--', ...paths], shell, signal);
}

async function runRsync(args: readonly string[], shell: GuestShell, signal: AbortSignal): Promise<void> {
  await findProgram('rsync');
  const probe = await shell.run('command -v rsync', signal);
  if (probe.code !== 0) throw noRsync();
  const directory = await mkdtemp(join(tmpdir(), 'transient-rsync-'));
  try {
    const remoteShell = join(directory, 'shell');
    await writeFile(remoteShell, REMOTE_SHELL, { mode: 0o700 });
    const path = `${shell.sudo} rsync`.trim();
    // rsync sends paths over the wire and not through a shell
    const all = [
      ...KEEPING,
      SILENTLY,
      '--protect-args',
      '--blocking-io',
      '-e',
      remoteShell,
      `--rsync-path=${path}`,
      ...args,
    ];
    const child = await startChild('rsync', all, { channels: 1, signal });
    const [socket] = child.channels;
    if (socket === undefined) throw new Error('rsync was started without its socket to the guest');
    socket.on('error', () => undefined);
    // execa discards output without a reader; rsync writes first, and the connection to the guest takes a while to open
    socket.pause();
    const stderr = tailOf(child.stderr);
    // rsync itself reports how the other side ended
    const joined = shell
      .connect('IFS= read -r command && exec sh -c "exec $command"', socket, signal)
      .catch(() => undefined);
    const { code } = await child.exited;
    socket.destroy();
    await joined;
    signal.throwIfAborted();
    if (code !== 0) throw failed(stderr.text);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function noRsync(): TransientError {
  return new TransientError({
    reason: 'missing-program',
    message: 'rsync is not installed in the guest or the builder VM',
    hint: 'install it there, or copy without --rsync',
  });
}

function failed(stderr: string): TransientError {
  const [first = 'no reason given', ...details] = stderr.split('\n').filter(Boolean);
  return new TransientError({
    reason: 'guest',
    message: `rsync failed: ${first}`,
    ...(details.length > 0 ? { details: details.slice(0, 10) } : {}),
  });
}
