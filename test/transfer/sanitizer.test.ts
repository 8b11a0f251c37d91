import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { build } from 'rolldown';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { copyOut } from '../../src/transfer/copy.ts';
import type { GuestShell } from '../../src/transfer/guest-shell.ts';
import { described } from '../rig/trees.ts';
import { HOST_AS_GUEST } from './host-as-guest.ts';

/** Nobody. */
const ORDINARY = 65_534;

let built = '';
let program = '';
beforeAll(async () => {
  built = mkdtempSync('/tmp/tr-built-');
  chmodSync(built, 0o755);
  program = join(built, 'copy-out.mjs');
  await build({
    input: 'test/transfer/copy-out.ts',
    platform: 'node',
    transform: { target: 'node20.19' },
    output: { file: program, format: 'esm', codeSplitting: false },
    logLevel: 'warn',
  });
});
afterAll(() => rmSync(built, { recursive: true }));

let work = '';
let guest = '';
beforeEach(() => {
  work = mkdtempSync('/tmp/tr-taming-');
  guest = join(work, 'guest');
  for (const name of ['guest', 'run', 'out']) mkdirSync(join(work, name));
});
afterEach(() => {
  // no stage, and no note of one
  expect(readdirSync(join(work, 'run'))).toEqual([]);
  expect(readdirSync(join(work, 'out')).filter((name) => name.startsWith('.transient'))).toEqual([]);
  execFileSync('chmod', ['-R', 'u+rwx', work]);
  rmSync(work, { recursive: true });
});

function fill(script: string): void {
  execFileSync('sh', ['-ec', script], { cwd: guest });
}

/** Copies out of this host, which passes for the guest. */
async function copied(path: string, way: 'tar' | 'rsync', shell: GuestShell = HOST_AS_GUEST): Promise<void> {
  await copyOut({ guest: path, host: out(''), rsync: way === 'rsync' }, shell, {
    signal: new AbortController().signal,
    progress: () => undefined,
    note: () => undefined,
    runDirectory: join(work, 'run'),
  });
}

const out = (path: string): string => join(work, 'out', path);

describe.for(['tar', 'rsync'] as const)('by %s', (way) => {
  const copy = (path: string): Promise<void> => copied(join(guest, path), way);

  test('no one else may write to what comes, and nothing lends its owner’s rights', async () => {
    fill(
      `mkdir res res/open res/setgid res/closed
       echo x >res/file; echo x >res/setuid; echo x >res/closed/setuid
       chmod 666 res/file; chmod 6775 res/setuid res/closed/setuid res/setgid; chmod 1777 res/open; chmod 0 res/closed`,
    );
    await copy('res');
    const modes = ['file', 'setuid', 'setgid', 'open', 'closed', 'closed/setuid'].map((name) =>
      (lstatSync(out(`res/${name}`)).mode & 0o7777).toString(8),
    );
    expect(modes).toEqual(['644', '755', '755', '1755', '0', '755']);
  });

  test.runIf(process.getuid?.() === 0)('devices are left out', async () => {
    fill('mkdir res; mknod res/null c 1 3; mknod res/disk b 7 0; echo x >res/file');
    await copy('res');
    expect(readdirSync(out('res'))).toEqual(['file']);
  });

  test('FIFOs and sockets are left out: a program that reads the tree would wait for ever', async () => {
    fill(
      `mkdir res; mkfifo res/fifo; echo x >res/file
       python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("res/socket")'`,
    );
    await copy('res');
    expect(readdirSync(out('res'))).toEqual(['file']);
  });

  test('thousands of them do not hold it up', async () => {
    fill('mkdir res; cd res; seq -f %g-with-a-name-that-takes-some-space 3000 | xargs mkfifo');
    await copy('res');
    expect(readdirSync(out('res'))).toEqual([]);
  });

  test('one alone is refused', async () => {
    fill('mkfifo fifo');
    await expect(copy('fifo')).rejects.toThrow('it is not a file, directory or symbolic link');
    expect(readdirSync(out(''))).toEqual([]);
  });

  test('names that are no UTF-8 come twice', async () => {
    const name = '"$(printf \'n\\377me\')"';
    fill(
      `mkdir -p res/${name}; echo one >res/${name}/${name}; cd res; ln -s ${name} link; find . -exec touch -h -d 2001-01-01 {} +`,
    );
    await copy('res');
    expect(described(out('res'))).toEqual(described(join(guest, 'res')));
    fill(`echo two >res/${name}/${name}`);
    await copy('res');
    expect(execFileSync('sh', ['-c', `cat res/${name}/${name}`], { cwd: out('') }).toString()).toBe('two\n');
  });

  test('a directory that is there keeps its rights', async () => {
    mkdirSync(out('res'), { mode: 0o700 });
    fill('mkdir -m 755 res; echo x >res/file');
    await copy('res');
    expect(statSync(out('res')).mode & 0o7777).toBe(0o700);
  });

  describe.runIf(process.getuid?.() === 0)('as an ordinary user', () => {
    beforeEach(() => {
      for (const name of ['', 'run', 'out']) chownSync(join(work, name), ORDINARY, ORDINARY);
    });
    /** Expected complaint. */
    const copyAsOrdinary = (path: string): string => {
      const user = ['--reuid', String(ORDINARY), '--regid', String(ORDINARY), '--clear-groups'];
      const args = [process.execPath, program, join(guest, path), out(''), join(work, 'run'), way];
      return spawnSync('setpriv', [...user, '--', ...args], { encoding: 'utf8' }).stderr.trim();
    };
    const READ_ONLY = `mkdir -p mod/a/b; echo x >mod/a/b/go.mod; echo x >mod/file; chmod -R a-w mod
       find mod -exec touch -d 2001-01-01 {} +`;

    test('a read-only tree comes, and comes again', () => {
      fill(READ_ONLY);
      expect(copyAsOrdinary('mod')).toBe('');
      expect(described(out('mod'))).toEqual(described(join(guest, 'mod')));
      fill('rm mod/a/b/go.mod; echo new >mod/a/b/go.mod; mkdir -m 555 mod/a/b/c');
      expect(copyAsOrdinary('mod')).toBe('');
      expect(readFileSync(out('mod/a/b/go.mod'), 'utf8')).toBe('new\n');
      const modes = ['', 'a', 'a/b', 'a/b/c'].map((name) => statSync(out(`mod/${name}`)).mode & 0o7777);
      expect(modes).toEqual([0o555, 0o555, 0o555, 0o555]);
    });

    test('what goes wrong first is what is reported, and the stage goes', () => {
      fill(READ_ONLY);
      mkdirSync(out('mod/a/b/go.mod'), { recursive: true });
      for (const name of ['mod', 'mod/a', 'mod/a/b', 'mod/a/b/go.mod'])
        chownSync(out(name), ORDINARY, ORDINARY);
      expect(copyAsOrdinary('mod')).toBe(
        `${out('mod/a/b/go.mod')} is a directory on the host and cannot be replaced by a file`,
      );
    });
  });
});

test('rsync sends only what differs from what is there, though it does not look there itself', async () => {
  fill('mkdir res; head -c 3000000 /dev/urandom >res/same; head -c 3000000 /dev/urandom >res/changed');
  let sent = 0;
  const counting: GuestShell = {
    ...HOST_AS_GUEST,
    connect: (script, socket, signal) => {
      const answer = HOST_AS_GUEST.connect(script, socket, signal);
      socket.on('finish', () => (sent = (socket as unknown as { bytesWritten: number }).bytesWritten));
      return answer;
    },
  };
  const copy = (): Promise<void> => copied(join(guest, 'res'), 'rsync', counting);
  await copy();
  expect(sent).toBeGreaterThan(6_000_000);
  const before = lstatSync(out('res/same')).ino;
  fill('printf x >>res/changed');
  await copy();
  expect(sent).toBeLessThan(100_000);
  expect(described(out('res'))).toEqual(described(join(guest, 'res')));
  expect([lstatSync(out('res/same')).ino, lstatSync(out('res/same')).nlink]).toEqual([before, 1]);
  chmodSync(join(guest, 'res/same'), 0o600);
  utimesSync(join(guest, 'res/changed'), 1, 1);
  await copy();
  expect(described(out('res'))).toEqual(described(join(guest, 'res')));
});
