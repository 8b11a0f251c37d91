import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyOut } from '../../src/transfer/copy.ts';
import { Rig } from '../rig/rig.ts';
import { HOST_AS_GUEST } from './host-as-guest.ts';

let work = '';
let guest = '';
let victim = '';
beforeEach(() => {
  work = mkdtempSync('/tmp/tr-planted-');
  guest = join(work, 'guest/tmp');
  victim = join(work, 'victim');
  for (const directory of [guest, victim, join(work, 'project/out')])
    mkdirSync(directory, { recursive: true });
  writeFileSync(join(victim, 'mine'), 'mine');
});
afterEach(() => {
  // whatever a guest sends, nothing of it comes here
  expect(readdirSync(victim)).toEqual(['mine']);
  expect(readFileSync(join(victim, 'mine'), 'utf8')).toBe('mine');
  rmSync(work, { recursive: true });
});

/** Files that a run has created in the guest. */
function fill(script: string): void {
  rmSync(guest, { recursive: true });
  mkdirSync(guest);
  execFileSync('sh', ['-ec', script], { cwd: guest });
}

describe.for(['tar', 'rsync'] as const)('by %s', (way) => {
  const copy = async (path: string, destination: string): Promise<string[]> => {
    const notes: string[] = [];
    const host = `${join(work, 'project', destination)}${destination.endsWith('/') ? '/' : ''}`;
    await copyOut({ guest: join(guest, path), host, rsync: way === 'rsync' }, HOST_AS_GUEST, {
      signal: new AbortController().signal,
      progress: () => undefined,
      note: (line) => notes.push(line),
      runDirectory: work,
    });
    return notes.map((line) => line.replaceAll(join(work, 'project'), '.'));
  };
  const at = (path: string): string => join(work, 'project', path);

  test('a link of an earlier run does not lead the next one astray', async () => {
    fill('ln -s ../../victim res');
    expect(await copy('res', 'out/')).toEqual(['1 of the copied links points outside ./out/res']);
    expect(readlinkSync(at('out/res'))).toBe('../../victim');
    fill('mkdir res; echo key >res/authorized_keys; echo evil >res/.bashrc');
    expect(await copy('res', 'out/')).toEqual([]);
    expect(readdirSync(at('out/res')).sort()).toEqual(['.bashrc', 'authorized_keys']);
    expect(lstatSync(at('out/res')).isSymbolicLink()).toBe(false);
  });

  test('nor does one below the directory that is copied', async () => {
    fill('mkdir -p res/a; ln -s ../../../../victim res/a/b; ln -s mine res/a/mine');
    await copy('res', 'out/');
    fill('mkdir -p res/a/b/c; echo evil >res/a/b/mine; echo evil >res/a/b/c/new; echo new >res/a/mine');
    await copy('res', 'out/');
    expect(readFileSync(at('out/res/a/b/c/new'), 'utf8')).toBe('evil\n');
    expect(readFileSync(at('out/res/a/mine'), 'utf8')).toBe('new\n');
  });

  test.for([
    ['to a directory', '../victim'],
    ['to a file', '../victim/mine'],
    ['to nothing', '../nowhere'],
  ] as const)('a link %s is replaced where its name is the destination', async ([, target]) => {
    symlinkSync(target, at('o2'));
    fill('echo theirs >f; mkdir d; echo theirs >d/f');
    await copy('f', 'o2');
    expect(readFileSync(at('o2'), 'utf8')).toBe('theirs\n');
    rmSync(at('o2'));
    symlinkSync(target, at('o2'));
    await copy('d', 'o2');
    expect(readFileSync(at('o2/f'), 'utf8')).toBe('theirs\n');
  });

  test('a link that is typed with a slash is the user’s, and followed', async () => {
    mkdirSync(at('elsewhere'));
    symlinkSync('elsewhere', at('o2'));
    fill('echo theirs >f');
    await copy('f', 'o2/');
    expect(readFileSync(at('elsewhere/f'), 'utf8')).toBe('theirs\n');
    expect(readlinkSync(at('o2'))).toBe('elsewhere');
  });

  test('links in a tree stay as they are, and those that lead out of it are counted', async () => {
    fill(
      [
        'mkdir -p res/a/b',
        'ln -s ../file res/a/in; ln -s nowhere res/dangling; ln -s /etc/passwd res/absolute',
        // out by way of another link, and back in by way of the directory above
        'ln -s .. res/a/up; ln -s a/up/../x res/round; ln -s ../res/a res/again; ln -s loop res/loop',
      ].join('; '),
    );
    expect(await copy('res', 'out/')).toEqual(['3 of the copied links point outside ./out/res']);
    const links = ['a/in', 'dangling', 'absolute', 'a/up', 'round', 'again', 'loop'];
    expect(links.map((link) => readlinkSync(at(`out/res/${link}`)))).toEqual([
      '../file',
      'nowhere',
      '/etc/passwd',
      '..',
      'a/up/../x',
      '../res/a',
      'loop',
    ]);
  });
});

test('two copies of one run, the first of which plants a link for the second', async () => {
  await using rig = new Rig();
  rig.write({ 'victim/mine': 'mine', 'guest/b/res/authorized_keys': 'key', 'project/mine': '' });
  mkdirSync(join(rig.work, 'guest/a'));
  symlinkSync('../../victim', join(rig.work, 'guest/a/res'));
  const copies = ['a', 'b'].flatMap((run) => ['-a', `${rig.work}/guest/${run}/res:./out/`]);
  for (const how of [[], ['--rsync']]) {
    const args = ['run', rig.stored(), '--cmd', 'true', '--direct-copy', ...how, ...copies];
    const { exitCode, stderr } = await rig.run(args, { cwd: 'project' });
    expect([exitCode, stderr.text]).toEqual([
      0,
      expect.stringContaining('1 of the copied links points outside '),
    ]);
    expect(readdirSync(join(rig.work, 'victim'))).toEqual(['mine']);
    expect(readdirSync(join(rig.work, 'project/out/res'))).toEqual(['authorized_keys']);
    rmSync(join(rig.work, 'project/out'), { recursive: true });
  }
});
