import { basename, dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { runSilently } from '../host/run.ts';
import { TransientError } from '../problem.ts';

/** Who owns what is unpacked: numbers of the guest's. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Something on the host that is to be copied; a link is copied as a link. */
export interface Source {
  readonly path: string;
  readonly isDirectory: boolean;
}

/**
 * A host file or directory as a tar stream: a directory as what is in it, anything else under its own name. Times with
 * nanoseconds and holes need GNU tar at the other end, too.
 */
export async function packed(
  { path, isDirectory }: Source,
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

/** Unpacks a tar stream from a guest into a host directory. */
export async function unpackInto(
  directory: string,
  bytes: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const tar = await startChild(
    'tar',
    ['-x', '-p', '--no-same-owner', '--no-unquote', '-f', '-', '-C', directory],
    { fed: true, signal },
  );
  const said = saidBy(tar);
  const { stdin } = tar;
  if (stdin === null) throw new Error('tar was started without its stdin');
  // why it takes no more is for tar to say
  const poured = pipeline(bytes, stdin).catch(() => undefined);
  const { code } = await tar.exited;
  await poured;
  signal.throwIfAborted();
  if (code !== 0) throw failed('cannot unpack on the host what the guest sent', said());
  await takeRights(directory, signal);
}

/** A guest makes no devices on the host, and nothing that lends our rights to whoever runs it. */
async function takeRights(directory: string, signal: AbortSignal): Promise<void> {
  const devices = ['(', '-type', 'b', '-o', '-type', 'c', ')', '-delete'];
  const lent = ['-type', 'f', '-perm', '/6000', '-exec', 'chmod', 'a-s', '{}', '+'];
  await runSilently('find', [directory, ...devices, '-o', ...lent], signal);
}

async function* outputOf(tar: Child, what: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const said = saidBy(tar);
  try {
    for await (const chunk of tar.stdout ?? []) yield chunk as Buffer;
    const { code } = await tar.exited;
    signal.throwIfAborted();
    if (code !== 0) throw failed(what, said());
  } finally {
    tar.kill('SIGKILL');
  }
}

function saidBy(tar: Child): () => string {
  const chunks: Buffer[] = [];
  tar.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

function failed(what: string, stderr: string): TransientError {
  const lines = stderr.split('\n').filter((line) => line !== '' && !/^\S*tar: Exiting/.test(line));
  const [first = 'tar failed', ...details] = lines.map((line) => line.replace(/^\S*tar: (\.\/)?/, ''));
  return new TransientError({
    reason: 'host',
    message: `${what}: ${first}`,
    ...(details.length > 0 ? { details } : {}),
  });
}
