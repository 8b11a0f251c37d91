import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { tapErrors } from '../host/error-tap.ts';
import { NoSpace } from '../host/space.ts';
import { tailOf } from '../host/tail.ts';
import { TransientError } from '../problem.ts';
import type { StagedCopy } from './staged-copy.ts';

/** Owner of unpacked files, by the guest's numeric ids. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A file or directory on the host to copy; a symbolic link is copied as a link. */
export interface HostSource {
  readonly path: string;
  readonly isDirectory: boolean;
}

/**
 * Packs a host file or directory as a tar stream: a directory by its content, anything else under its own name.
 * Nanosecond timestamps and holes need GNU tar on the other end, too.
 */
export async function packed(
  { path, isDirectory }: HostSource,
  owner: Owner,
  gnu: boolean,
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer>> {
  const form = gnu
    ? ['--format=posix', '--pax-option=delete=atime,delete=ctime', '--sparse']
    : ['--format=gnu'];
  const owners = ['--numeric-owner', `--owner=:${owner.uid}`, `--group=:${owner.gid}`];
  const what = isDirectory ? ['-C', path, '.'] : ['-C', dirname(path), '--', `./${basename(path)}`];
  const tar = await startChild('tar', ['-c', '--no-unquote', ...form, ...owners, '-f', '-', ...what], {
    signal,
  });
  return outputOf(tar, `cannot read ${path}`, signal);
}

/** Matches tar's messages for a full disk; often only that it wrote less than it wanted to. */
export const DISK_FULL = /Wrote only \d+ of \d+ bytes|No space left on device|Disk quota exceeded/;

/** Overrides the locale (gettext), since tar's messages are parsed here. */
const IN_ENGLISH = { LANGUAGE: 'en' };

/** Unpacks a tar stream from a guest into the staging directory on the host; a full disk stops it at once. */
export async function unpackInto(
  { stage, directory }: Pick<StagedCopy, 'stage' | 'directory'>,
  bytes: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const tar = await startChild(
    'tar',
    ['-x', '-p', '--no-same-owner', '--no-unquote', '-f', '-', '-C', stage],
    { fed: true, signal, environment: IN_ENGLISH },
  );
  const stderr = tailOf(tar.stderr);
  const isFull = (): boolean => DISK_FULL.test(stderr.text);
  // it would continue, with an error for each further file
  tar.stderr?.on('data', () => isFull() && tar.kill('SIGKILL'));
  const { stdin } = tar;
  if (stdin === null) throw new Error('tar was started without its stdin');
  let fault: unknown;
  // tar itself reports why it reads no more
  const piped = pipeline(
    tapErrors(bytes, (error) => (fault = error)),
    stdin,
  ).catch(() => undefined);
  const { code } = await tar.exited;
  signal.throwIfAborted();
  if (fault instanceof NoSpace) throw fault;
  if (isFull()) throw full(directory);
  if (code !== 0) throw failed('cannot unpack the files from the guest', stderr.text);
  await piped;
}

async function* outputOf(tar: Child, what: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stderr = tailOf(tar.stderr);
  try {
    for await (const chunk of tar.stdout ?? []) yield chunk as Buffer;
    const { code } = await tar.exited;
    signal.throwIfAborted();
    if (code !== 0) throw failed(what, stderr.text);
  } finally {
    tar.kill('SIGKILL');
  }
}

function full(directory: string): NoSpace {
  return new NoSpace({
    reason: 'host',
    message: `no space left in ${directory} on the host`,
    hint: 'free some space there, or copy to another directory on the host; nothing of this copy was kept',
  });
}

function failed(what: string, stderr: string): TransientError {
  const lines = stderr.split('\n').filter((line) => line !== '' && !/^\S*tar: Exiting/.test(line));
  const [first = 'tar failed', ...details] = lines.map((line) => line.replace(/^\S*tar: (\.\/)?/, ''));
  return new TransientError({
    reason: 'host',
    message: `${what}: ${first}`,
    ...(details.length > 0 ? { details: details.slice(0, 10) } : {}),
  });
}
