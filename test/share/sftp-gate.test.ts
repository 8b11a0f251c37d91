import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fields, SFTP, STATUS, field, packet } from '../../src/share/sftp-packets.ts';
import { RawGuest } from './sftp-client.ts';

const home = mkdtempSync(join(tmpdir(), 'transient-gate-'));
const folder = join(home, 'folder');
const secret = join(home, 'secret');

const [READ, WRITE, CREATE, EXCLUSIVE] = [1, 2, 8, 32];
const NO_ATTRIBUTES = 0;

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'sub/deep'), { recursive: true });
  writeFileSync(join(folder, 'sub/file'), 'content');
  writeFileSync(secret, 'secret');
  symlinkSync(secret, join(folder, 'to-secret'));
  symlinkSync(home, join(folder, 'to-home'));
  symlinkSync('../..', join(folder, 'sub/up'));
  symlinkSync(join(home, 'new'), join(folder, 'dangling'));
  mkdirSync(join(folder, 'empty'));
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('a path leads nowhere but into the folder', () => {
  const outside = [
    ...['../secret', '/../secret', 'sub/../../secret', '../../../../../../etc/passwd', '/etc/passwd'],
    ...[secret, 'to-secret', 'to-home/secret', 'sub/up/secret', 'to-home/folder/sub/file'],
    ...['/proc/self/root/etc/passwd', 'sub/file/../../../secret', './/..//secret', '..'],
  ];

  test.for(outside)('reading %s', async (path) => {
    await using guest = await RawGuest.in(folder);
    const { type, code } = await guest.ask(SFTP.open, path, READ, NO_ATTRIBUTES);
    expect(type).toBe(SFTP.status);
    expect([STATUS.noSuchFile, STATUS.permissionDenied, STATUS.failure]).toContain(code);
  });

  test.for(outside.filter((path) => path !== '..'))('making or changing %s', async (path) => {
    await using guest = await RawGuest.in(folder);
    await guest.ask(SFTP.open, path, WRITE | CREATE, NO_ATTRIBUTES);
    await guest.ask(SFTP.open, path, WRITE | CREATE | EXCLUSIVE, NO_ATTRIBUTES);
    await guest.ask(SFTP.setstat, path, 4, 0);
    await guest.ask(SFTP.remove, path);
    await guest.ask(SFTP.rename, 'sub/file', path);
    await guest.ask(SFTP.mkdir, path, NO_ATTRIBUTES);
    await guest.ask(SFTP.extended, 'posix-rename@openssh.com', 'empty', path);
    await guest.ask(SFTP.extended, 'hardlink@openssh.com', path, 'sub/hard');
    expect(readFileSync(secret, 'utf8')).toBe('secret');
    expect(statSync(secret).mode & 0o777).not.toBe(0);
    expect(readdirSync(home).toSorted()).toEqual(['folder', 'secret']);
  });

  test.for(['dangling', 'to-home/new'])(
    'a link that leads to nothing yet makes nothing there: %s',
    async (path) => {
      await using guest = await RawGuest.in(folder);
      for (const flags of [WRITE | CREATE, WRITE | CREATE | EXCLUSIVE])
        expect((await guest.ask(SFTP.open, path, flags, NO_ATTRIBUTES)).type).toBe(SFTP.status);
      expect(existsSync(join(home, 'new'))).toBe(false);
    },
  );

  test('a listing of a link to outside is refused, and so is a look through it', async () => {
    await using guest = await RawGuest.in(folder);
    for (const type of [SFTP.opendir, SFTP.stat])
      expect(await guest.ask(type, 'to-home')).toMatchObject({ code: STATUS.permissionDenied });
    expect(await guest.ask(SFTP.extended, 'statvfs@openssh.com', 'to-home')).toMatchObject({
      code: STATUS.permissionDenied,
    });
  });

  test('a path that the guest asks to be made whole is one of the folder', async () => {
    await using guest = await RawGuest.in(folder);
    const fields = new Fields((await guest.ask(SFTP.realpath, '../sub/./up/..')).packet);
    expect([fields.number(), fields.text().toString()]).toEqual([1, '/sub']);
  });

  test('what becomes a link after it was opened is not followed', async () => {
    await using guest = await RawGuest.in(folder);
    const { packet } = await guest.ask(SFTP.opendir, 'sub');
    const handle = new Fields(packet).text();
    renameSync(join(folder, 'sub'), join(folder, 'moved'));
    symlinkSync('/etc', join(folder, 'sub'));
    const listed = (await guest.ask(12, handle)).packet.toString('latin1');
    expect(listed).toContain('deep');
    expect(listed).not.toContain('passwd');
  });

  test('extensions that we do not know are refused', async () => {
    await using guest = await RawGuest.in(folder);
    for (const name of [
      'expand-path@openssh.com',
      'home-directory',
      'copy-data',
      'users-groups-by-id@openssh.com',
    ])
      expect(await guest.ask(SFTP.extended, name, '~/x')).toMatchObject({ code: STATUS.unsupported });
  });
});

describe('what a folder is for', () => {
  test('files are made, written, read, renamed and removed', async () => {
    await using guest = await RawGuest.in(folder);
    const created = await guest.ask(SFTP.open, '/sub/new', READ | WRITE | CREATE, 4, 0o640);
    const handle = new Fields(created.packet).text();
    expect(await guest.ask(SFTP.write, handle, 0, 0, 'written')).toMatchObject({ code: STATUS.ok });
    expect((await guest.ask(5, handle, 0, 0, 100)).packet.toString()).toContain('written');
    expect(await guest.ask(SFTP.close, handle)).toMatchObject({ code: STATUS.ok });
    expect(readFileSync(join(folder, 'sub/new'), 'utf8')).toBe('written');
    expect(statSync(join(folder, 'sub/new')).mode & 0o700).toBe(0o600);
    expect(await guest.ask(SFTP.rename, 'sub/new', 'sub/other')).toMatchObject({ code: STATUS.ok });
    expect(await guest.ask(SFTP.remove, 'sub/other')).toMatchObject({ code: STATUS.ok });
    expect(existsSync(join(folder, 'sub/other'))).toBe(false);
  });

  test('a file that may not be written is written by who makes it, as git does', async () => {
    await using guest = await RawGuest.in(folder);
    const created = await guest.ask(SFTP.open, 'object', WRITE | CREATE | EXCLUSIVE, 4, 0o444);
    expect(created.type).toBe(SFTP.handle);
    expect(await guest.ask(SFTP.open, 'object', WRITE | CREATE | EXCLUSIVE, NO_ATTRIBUTES)).toMatchObject({
      code: STATUS.failure,
    });
  });

  test('links are made and read as they are, names are bytes', async () => {
    await using guest = await RawGuest.in(folder);
    const name = Buffer.from([0xff, 0x20, 0x0a, 0x22]);
    expect(await guest.ask(SFTP.symlink, '../anywhere', name)).toMatchObject({ code: STATUS.ok });
    expect(readlinkSync(Buffer.concat([Buffer.from(`${folder}/`), name]), 'utf8')).toBe('../anywhere');
    const read = new Fields((await guest.ask(SFTP.readlink, name)).packet);
    expect([read.number(), read.text().toString()]).toEqual([1, '../anywhere']);
  });

  test('owners stay the host’s, and no one is lent their rights', async () => {
    await using guest = await RawGuest.in(folder);
    const before = statSync(join(folder, 'sub/file'));
    expect(await guest.ask(SFTP.setstat, 'sub/file', 2 | 4, 12345, 12345, 0o6755)).toMatchObject({
      code: STATUS.ok,
    });
    const after = statSync(join(folder, 'sub/file'));
    expect([after.uid, after.gid, after.mode & 0o7777]).toEqual([before.uid, before.gid, 0o755]);
  });

  test('a pipe is not opened: it would hold up everything else', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    await using guest = await RawGuest.in(folder);
    expect(await guest.ask(SFTP.open, 'pipe', READ, NO_ATTRIBUTES)).toMatchObject({ code: STATUS.failure });
  });
});

describe('a folder that is shared read-only', () => {
  test('is read, and nothing in it is changed', async () => {
    linkSync(join(folder, 'sub/file'), join(folder, 'file'));
    await using guest = await RawGuest.in(folder, { readonly: true });
    const opened = await guest.ask(SFTP.open, 'file', READ, NO_ATTRIBUTES);
    const handle = new Fields(opened.packet).text();
    const refused = { code: STATUS.permissionDenied };
    for (const flags of [WRITE, READ | WRITE, READ | CREATE, READ | 16])
      expect(await guest.ask(SFTP.open, 'file', flags, NO_ATTRIBUTES)).toMatchObject(refused);
    expect(await guest.ask(SFTP.write, handle, 0, 0, 'x')).toMatchObject(refused);
    expect(await guest.ask(SFTP.fsetstat, handle, 4, 0)).toMatchObject(refused);
    expect(await guest.ask(SFTP.setstat, 'file', 4, 0)).toMatchObject(refused);
    for (const type of [SFTP.remove, SFTP.rmdir])
      expect(await guest.ask(type, 'empty')).toMatchObject(refused);
    for (const type of [SFTP.rename, SFTP.symlink])
      expect(await guest.ask(type, 'file', 'f')).toMatchObject(refused);
    expect(await guest.ask(SFTP.mkdir, 'new', NO_ATTRIBUTES)).toMatchObject(refused);
    for (const name of ['posix-rename@openssh.com', 'hardlink@openssh.com'])
      expect(await guest.ask(SFTP.extended, name, 'file', 'f')).toMatchObject(refused);
    expect(readdirSync(folder).toSorted()).toEqual([
      'dangling',
      'empty',
      'file',
      'sub',
      'to-home',
      'to-secret',
    ]);
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('content');
  });
});

describe('what the host runs', () => {
  const unchanged = [join(folder, 'sub/deep/tool')];
  const file = 'sub/deep/tool';
  const refused = { code: STATUS.permissionDenied };

  beforeEach(() => {
    writeFileSync(join(folder, file), 'tool', { mode: 0o755 });
    linkSync(join(folder, file), join(folder, 'hard'));
    symlinkSync(file, join(folder, 'soft'));
    writeFileSync(join(folder, 'mine'), 'mine');
  });

  afterEach(() => {
    expect(readFileSync(join(folder, file), 'utf8')).toBe('tool');
    expect(statSync(join(folder, file))).toMatchObject({ mode: 0o100755, nlink: 2 });
  });

  test.for([file, '/sub/../sub/deep/./tool', 'hard', 'soft'])(
    'is read, and not written, as %s',
    async (path) => {
      await using guest = await RawGuest.in(folder, { unchanged });
      if (path !== 'soft')
        expect((await guest.ask(SFTP.open, path, READ, NO_ATTRIBUTES)).type).toBe(SFTP.handle);
      for (const flags of [WRITE, READ | WRITE, READ | 16, WRITE | CREATE | 16, READ | 4])
        expect(await guest.ask(SFTP.open, path, flags, NO_ATTRIBUTES)).toMatchObject(refused);
      for (const attributes of [
        [4, 0o777],
        [1, 0, 0],
        [8, 0, 0],
      ])
        expect(await guest.ask(SFTP.setstat, path, ...attributes)).toMatchObject(refused);
    },
  );

  test('cannot be taken away, replaced or given another name, nor what leads to it', async () => {
    await using guest = await RawGuest.in(folder, { unchanged });
    expect(await guest.ask(SFTP.remove, file)).toMatchObject(refused);
    for (const name of [file, 'sub/deep', 'sub']) {
      expect(await guest.ask(SFTP.rmdir, name)).toMatchObject(refused);
      expect(await guest.ask(SFTP.mkdir, name, NO_ATTRIBUTES)).toMatchObject(refused);
      expect(await guest.ask(SFTP.symlink, '/tmp', name)).toMatchObject(refused);
      expect(await guest.ask(SFTP.open, name, WRITE | CREATE | EXCLUSIVE, NO_ATTRIBUTES)).toMatchObject(
        refused,
      );
      for (const [one, other] of [
        [name, 'elsewhere'],
        ['mine', name],
        ['empty', name],
      ] as const) {
        expect(await guest.ask(SFTP.rename, one, other)).toMatchObject(refused);
        for (const extended of ['posix-rename@openssh.com', 'hardlink@openssh.com'])
          expect(await guest.ask(SFTP.extended, extended, one, other)).toMatchObject(refused);
      }
    }
    expect(await guest.ask(SFTP.extended, 'hardlink@openssh.com', 'hard', 'sub/other')).toMatchObject(
      refused,
    );
  });

  test('is not changed by a handle that reads it, also not by one that is guessed', async () => {
    await using guest = await RawGuest.in(folder, { unchanged });
    const mine = new Fields((await guest.ask(SFTP.open, 'mine', READ, NO_ATTRIBUTES)).packet).text();
    expect(await guest.ask(SFTP.fsetstat, mine, 4, 0o600)).toMatchObject({ code: STATUS.ok });
    // the server gives a number that has become free to the next
    const [, opened, guessed] = await Promise.all([
      guest.ask(SFTP.close, mine),
      guest.ask(SFTP.open, file, READ, NO_ATTRIBUTES),
      guest.ask(SFTP.fsetstat, mine, 4, 0o777),
    ]);
    const handle = new Fields(opened.packet).text();
    expect([guessed.code, handle]).toEqual([STATUS.permissionDenied, mine]);
    expect(await guest.ask(SFTP.fsetstat, handle, 4, 0o777)).toMatchObject(refused);
  });

  test('is found anew when the host has put another file in its place', async () => {
    await using guest = await RawGuest.in(folder, { unchanged });
    writeFileSync(join(folder, 'edited'), 'tool', { mode: 0o755 });
    renameSync(join(folder, 'edited'), join(folder, file));
    linkSync(join(folder, file), join(folder, 'late'));
    expect(await guest.ask(SFTP.open, 'late', WRITE, NO_ATTRIBUTES)).toMatchObject(refused);
    expect((await guest.ask(SFTP.open, 'hard', WRITE, NO_ATTRIBUTES)).type).toBe(SFTP.handle);
  });

  test('is not made where it is missing, nor led to by a link', async () => {
    symlinkSync('linked', join(folder, 'by-link'));
    const missing = ['none/x', 'by-link'].map((name) => join(folder, name));
    await using guest = await RawGuest.in(folder, { unchanged: missing });
    expect(await guest.ask(SFTP.mkdir, 'none', NO_ATTRIBUTES)).toMatchObject(refused);
    expect(await guest.ask(SFTP.rename, 'empty', 'none')).toMatchObject(refused);
    expect(await guest.ask(SFTP.remove, 'by-link')).toMatchObject(refused);
    expect(await guest.ask(SFTP.open, 'linked', WRITE | CREATE, NO_ATTRIBUTES)).toMatchObject(refused);
  });

  test('leaves everything else as it is', async () => {
    await using guest = await RawGuest.in(folder, { unchanged });
    const ok = { code: STATUS.ok };
    expect(await guest.ask(SFTP.mkdir, 'sub/deep/new', NO_ATTRIBUTES)).toMatchObject(ok);
    expect(await guest.ask(SFTP.rename, 'mine', 'sub/deep/mine')).toMatchObject(ok);
    expect(await guest.ask(SFTP.setstat, 'sub/deep', 8, 0, 0)).toMatchObject(ok);
    expect(await guest.ask(SFTP.remove, 'sub/deep/mine')).toMatchObject(ok);
    expect(await guest.ask(SFTP.symlink, 'tool', 'sub/deep/other')).toMatchObject(ok);
    expect((await guest.ask(SFTP.mkdir, 'x'.repeat(300), NO_ATTRIBUTES)).code).not.toBe(
      STATUS.permissionDenied,
    );
  });
});

describe('a guest that does not keep to the protocol', () => {
  test.for([
    ['a packet without an end', Buffer.from([0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 1])],
    ['a packet of nothing', Buffer.from([0, 0, 0, 0, 3, 0, 0, 0, 1])],
    ['a text beyond its packet', Buffer.from([0, 0, 0, 9, SFTP.stat, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])],
    [
      'attributes that are cut off',
      Buffer.from([0, 0, 0, 12, SFTP.setstat, 0, 0, 0, 1, 0, 0, 0, 3, 0x73, 0x75, 0x62]),
    ],
  ] as const)('%s: it is cut off', async ([, bytes]) => {
    await using guest = await RawGuest.in(folder);
    guest.write(bytes);
    await guest.ended();
  });

  test('files that it leaves open are given back', async () => {
    chmodSync(folder, 0o755);
    const before = readdirSync('/proc/self/fd').length;
    {
      await using guest = await RawGuest.in(folder);
      for (let count = 0; count < 20; count += 1) await guest.ask(SFTP.opendir, 'sub');
      const closed = new Fields((await guest.ask(SFTP.opendir, 'sub')).packet).text();
      await guest.ask(SFTP.close, closed);
      await guest.ask(SFTP.stat, 'nothing');
      await guest.ask(SFTP.stat, 'to-home');
    }
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
  });

  test('one id for two requests at a time: it is cut off', async () => {
    await using guest = await RawGuest.in(folder);
    const twice = packet(SFTP.stat, 7, field('sub'));
    guest.write(Buffer.concat([twice, packet(99, 8), twice]));
    await guest.ended();
  });

  test('a request of no known kind is refused', async () => {
    await using guest = await RawGuest.in(folder);
    expect(await guest.ask(99)).toMatchObject({ code: STATUS.permissionDenied });
    expect(await guest.ask(SFTP.stat, 'x/'.repeat(5000))).toMatchObject({ code: STATUS.permissionDenied });
  });

  test('many requests at a time each have their answer', async () => {
    await using guest = await RawGuest.in(folder);
    const answers = await Promise.all(Array.from({ length: 50 }, () => guest.ask(SFTP.stat, 'sub/file')));
    expect(answers.every(({ type }) => type === 105)).toBe(true);
    expect(guest.gate.isIdle).toBe(true);
  });
});
