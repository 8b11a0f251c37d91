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
import type { Owner, Source } from './tar.ts';

/** What rsync is to keep: all that `cp -a` would, hard links and holes too. */
const KEEPING = ['-aHS', '--numeric-ids'];

/** What it has to say besides errors nobody reads, and so it would wait for ever. */
const SILENTLY = '--quiet';

/** The descriptor on which rsync's remote shell finds its way to the far side. */
const WAY = 3;

/**
 * What rsync takes for its remote shell: it says which command rsync wants there in a first line, and then passes bytes
 * on in both directions, until the far side ends: rsync waits for that. Its first argument is the host, which there is
 * only one of.
 */
const REMOTE_SHELL = `#!/bin/sh
shift
printf '%s\\n' "$*" >&${WAY}
exec 4<&0
cat <&4 >&${WAY} &
cat <&${WAY}
kill $!
`;

/** Brings a place in the guest to what a source on the host is; what is the same there is not sent. */
export async function rsyncIn(
  source: Source,
  target: string,
  { uid, gid }: Owner,
  far: GuestShell,
  signal: AbortSignal,
): Promise<void> {
  const from = source.isDirectory ? `${source.path}/` : source.path;
  const to = source.isDirectory ? `far:${target}/` : `far:${target}`;
  await runRsync([`--chown=${uid}:${gid}`, '--', from, to], far, signal);
}

/**
 * What is copied out is ours, also where we are root and could give it away. The list of files comes before the files
 * (`--no-inc-recursive`): older versions of rsync let a guest out of the directory by a link in a later part of the list.
 */
const RECEIVING = ['--no-owner', '--no-group', '--no-D', '--chmod=ug-s,go-w', '--no-inc-recursive'];

/**
 * Receives a file or directory of the guest; what is the same in the mirror of what lies at its target is not sent. The
 * target itself is no place for a program that follows links.
 */
export async function rsyncOut(
  guest: string,
  isDirectory: boolean,
  landing: Pick<StagedCopy, 'stage' | 'mirror'>,
  far: GuestShell,
  signal: AbortSignal,
): Promise<void> {
  const name = nameIn(guest);
  const mirror = join(await landing.mirror(signal), isDirectory ? name : '');
  const to = join(landing.stage, name);
  const way = isDirectory ? [`far:${guest.replace(/\/*$/, '/')}`, `${to}/`] : [`far:${guest}`, to];
  await runRsync([...RECEIVING, `--link-dest=${mirror}`, '--', ...way], far, signal);
}

async function runRsync(args: readonly string[], far: GuestShell, signal: AbortSignal): Promise<void> {
  await findProgram('rsync');
  const there = await far.run('command -v rsync', signal);
  if (there.code !== 0) throw noRsync();
  const directory = await mkdtemp(join(tmpdir(), 'transient-rsync-'));
  try {
    const shell = join(directory, 'shell');
    await writeFile(shell, REMOTE_SHELL, { mode: 0o700 });
    const path = `${far.sudo} rsync`.trim();
    // what rsync sends of paths goes over the wire and not through a shell
    const all = [
      ...KEEPING,
      SILENTLY,
      '--protect-args',
      '--blocking-io',
      '-e',
      shell,
      `--rsync-path=${path}`,
      ...args,
    ];
    const child = await startChild('rsync', all, { channels: 1, signal });
    const [way] = child.channels;
    if (way === undefined) throw new Error('rsync was started without its way to the guest');
    way.on('error', () => undefined);
    // execa lets go by what nobody reads at once; rsync speaks first, and the way to the guest takes a while to open
    way.pause();
    const said = tailOf(child.stderr);
    // how the far side ends is what rsync itself tells of
    const joined = far
      .connect('IFS= read -r command && exec sh -c "exec $command"', way, signal)
      .catch(() => undefined);
    const { code } = await child.exited;
    way.destroy();
    await joined;
    signal.throwIfAborted();
    if (code !== 0) throw failed(said.text);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function noRsync(): TransientError {
  return new TransientError({
    reason: 'missing-program',
    message: 'there is no rsync in the guest, or in the builder VM',
    hint: 'install it there, or copy without --rsync',
  });
}

function failed(stderr: string): TransientError {
  const [first = 'it did not say why', ...details] = stderr.split('\n').filter(Boolean);
  return new TransientError({
    reason: 'guest',
    message: `rsync failed: ${first}`,
    ...(details.length > 0 ? { details: details.slice(0, 10) } : {}),
  });
}
