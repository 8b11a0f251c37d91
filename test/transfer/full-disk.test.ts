import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  rmdirSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { NoSpace } from '../../src/host/space.ts';
import { copyOut } from '../../src/transfer/copy.ts';
import type { GuestShell } from '../../src/transfer/guest-shell.ts';
import { unpackInto } from '../../src/transfer/tar.ts';

const MEGABYTE = 1 << 20;

let work = '';
let stage = '';
beforeEach(() => {
  work = mkdtempSync('/tmp/tr-full-');
  stage = join(work, 'out/.stage');
  mkdirSync(stage, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(work, { recursive: true });
});

test('the first file for which there is no room ends the copy, and the directory is named', async () => {
  // it would go on for a minute
  writeFileSync(
    join(work, 'tar'),
    '#!/bin/sh\necho "tar: ./a: Cannot write: No space left on device" >&2\nexec sleep 60\n',
  );
  chmodSync(join(work, 'tar'), 0o755);
  vi.stubEnv('PATH', [work, process.env['PATH']].join(delimiter));
  const copy = unpackInto({ stage, directory: join(work, 'out') }, endless(), new AbortController().signal);
  await expect(copy).rejects.toThrow(`no space left in ${join(work, 'out')} on the host`);
});

test('the words of another language are understood', async () => {
  writeFileSync(
    join(work, 'tar'),
    '#!/bin/sh\n[ "$LANGUAGE" = en ] || exit 1\necho "No space left on device" >&2\nexec sleep 60\n',
  );
  chmodSync(join(work, 'tar'), 0o755);
  vi.stubEnv('PATH', [work, process.env['PATH']].join(delimiter));
  vi.stubEnv('LANGUAGE', 'de:fr');
  await expect(
    unpackInto({ stage, directory: join(work, 'out') }, endless(), new AbortController().signal),
  ).rejects.toThrow(NoSpace);
});

describe.runIf(canMount())('a disk of 64 MB', () => {
  beforeEach(() => {
    mkdirSync(join(work, 'disk'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'none', join(work, 'disk')]);
  });
  afterEach(() => void execFileSync('umount', [join(work, 'disk')]));

  const copyFrom = async (pack: string, to = 'disk/'): Promise<void> =>
    copyOut({ guest: '/srv/big', host: join(work, to), rsync: false }, guestThatSays(pack), {
      signal: new AbortController().signal,
      progress: () => undefined,
      note: () => undefined,
      runDirectory: work,
    });

  test('in the middle of a place is reported', async () => {
    mkdirSync(join(work, 'tree/big/disk'), { recursive: true });
    execFileSync('mount', ['--bind', join(work, 'disk'), join(work, 'tree/big/disk')]);
    try {
      const pack = `mkdir -p ${work}/big/disk && echo x >${work}/big/disk/file && tar -c -f - -C ${work} ./big`;
      await expect(copyFrom(pack, 'tree/')).rejects.toThrow(
        `cannot write to ${work}/tree/ on the host: a part of it is on another filesystem`,
      );
    } finally {
      execFileSync('umount', [join(work, 'tree/big/disk')]);
    }
    expect(readdirSync(join(work, 'tree'))).toEqual(['big']);
  });

  test('takes what fits', async () => {
    await copyFrom(tarOf(50));
    expect(readdirSync(join(work, 'disk'))).toEqual(['big']);
  });

  test('is not filled up, whatever a guest sends', async () => {
    const disk = join(work, 'disk');
    await expect(copyFrom(tarOf(200))).rejects.toThrow(
      /^the data from the guest is larger than the 0\.06\d GB \(\d+ bytes\) that may be filled in \S*disk$/,
    );
    expect(readdirSync(disk)).toEqual([]);
    const { bavail, bsize } = statfsSync(disk);
    expect(bavail * bsize).toBeGreaterThan(63 * MEGABYTE);
  });

  test('is looked at while it is written to: small files take more than their bytes', async () => {
    mkdirSync(join(work, 'big'));
    // a page of memory each, of which the disk has 16384, and a kilobyte of the archive
    for (let index = 0; index < 16_000; index++) writeFileSync(join(work, 'big', String(index)), 'x');
    await expect(
      copyFrom(`tar -c -f - -C ${work} ./big | (head -c 16280000; sleep 10; cat)`),
    ).rejects.toThrow(/that may be filled in/);
    expect(readdirSync(join(work, 'disk'))).toEqual([]);
  });
});

/** Says for ever what tar reads. */
async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield await Promise.resolve(Buffer.alloc(65_536));
}

/** A guest that sends what a command of the host writes. */
function guestThatSays(command: string): GuestShell {
  const refuse = (): Promise<never> => Promise.reject(new Error('not asked for'));
  return {
    sudo: '',
    tar: 'tar',
    gnuTar: true,
    run: () => Promise.resolve({ code: 0, stdout: 'no\n', stderr: '' }),
    send: refuse,
    connect: refuse,
    receive: (_script, signal) => {
      const child = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
      signal.addEventListener('abort', () => {
        if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
      });
      const answer = once(child, 'exit').then(() => ({ code: child.exitCode ?? 1, stdout: '', stderr: '' }));
      // a child that ends takes with it what nobody reads yet
      return { bytes: child.stdout.pipe(new PassThrough()), answer };
    },
  };
}

/** A command that packs a file of so many megabytes. */
function tarOf(megabytes: number): string {
  return `truncate -s ${megabytes}M ${work}/big && tar -c -f - -C ${work} ./big`;
}

function canMount(): boolean {
  const place = mkdtempSync('/tmp/tr-mount-');
  const { status } = spawnSync('mount', ['-t', 'tmpfs', 'none', place]);
  if (status === 0) execFileSync('umount', [place]);
  rmdirSync(place);
  return status === 0;
}
