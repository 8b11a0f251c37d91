import type { SpawnSyncReturns } from 'node:child_process';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GuestShell } from '../../src/transfer/guest-shell.ts';
import {
  GNU_TAR_SCRIPT,
  MISSING,
  lookScript,
  packScript,
  placeScript,
  receiveScript,
} from '../../src/transfer/guest-scripts.ts';

const ODD_NAMES = [
  '-n',
  '--',
  ' space ',
  'new\nline',
  'ends in one\n',
  `quo'te"s`,
  '$HOME `id` \\n *',
  'ünï',
];

/** The shells of guests, and of the builder, whose other programs are busybox's too, but for tar. */
describe.for(['sh', 'busybox sh'])('in %s', (program) => {
  let guest = '';
  let programs = '';
  /** Only what scripts are made of. */
  let shell: GuestShell;
  beforeEach(() => {
    guest = mkdtempSync('/tmp/tr-scripts-');
    programs = mkdtempSync('/tmp/tr-programs-');
    if (program !== 'sh') {
      execFileSync('busybox', ['--install', '-s', programs]);
      rmSync(join(programs, 'tar'));
      symlinkSync(execFileSync('which', ['tar'], { encoding: 'utf8' }).trim(), join(programs, 'tar'));
    }
    // some builds of busybox have a shell that prefers its own tar to that of PATH
    shell = { sudo: '', tar: run(GNU_TAR_SCRIPT).stdout.toString().trim(), gnuTar: true } as GuestShell;
  });
  afterEach(() => {
    for (const directory of [guest, programs]) rmSync(directory, { recursive: true });
  });

  const run = (script: string, input: Buffer = Buffer.alloc(0)): SpawnSyncReturns<Buffer> => {
    const env = program === 'sh' ? process.env : { PATH: programs };
    return spawnSync(program === 'sh' ? '/bin/sh' : join(programs, 'sh'), ['-c', script], { input, env });
  };
  const placed = (destination: string, name: string): string[] => {
    const { status, stdout, stderr } = run(placeScript(join(guest, destination), name, shell));
    expect([status, stderr.toString()]).toEqual([0, '']);
    const [owner = '', isThere = '', ...place] = stdout.toString().split('\n');
    return [owner, isThere, place.join('\n').replace(`${guest}/`, '')];
  };

  test('GNU tar is found where PATH has it, and nothing where that is another one', () => {
    expect(shell.tar).toBe(
      program === 'sh' ? execFileSync('which', ['tar']).toString().trim() : `${programs}/tar`,
    );
    mkdirSync(join(guest, 'tar'));
    const look = (...path: readonly string[]): string =>
      run(`PATH=${path.join(':')}\n${GNU_TAR_SCRIPT}`).stdout.toString();
    expect(look('/nowhere', guest, '/usr/bin')).toBe('/usr/bin/tar\n');
    rmSync(join(guest, 'tar'), { recursive: true });
    writeFileSync(join(guest, 'tar'), '#!/bin/sh\necho busybox\n', { mode: 0o755 });
    expect(look(guest, '/usr/bin')).toBe('');
    expect(look('/nowhere')).toBe('');
  });

  describe('the place of what is copied in', () => {
    test.for([
      ['there', 'there/app'],
      ['there/', 'there/app'],
      ['new', 'new'],
      ['new/', 'new/app'],
      ['a/b/new', 'a/b/new'],
      ['a/b/new/', 'a/b/new/app'],
      ['file', 'file'],
      ['link', 'link/app'],
    ] as const)('for %s is %s', ([destination, place]) => {
      mkdirSync(join(guest, 'there'));
      symlinkSync('there', join(guest, 'link'));
      writeFileSync(join(guest, 'file'), '');
      expect(placed(destination, 'app').slice(1)).toEqual(['no', place]);
      expect(statSync(dirname(join(guest, place))).isDirectory()).toBe(true);
      if (destination !== 'file') expect(existsSync(join(guest, place))).toBe(false);
    });

    test('may be a directory already', () => {
      mkdirSync(join(guest, 'there/app'), { recursive: true });
      expect(placed('there', 'app').slice(1)).toEqual(['yes', 'there/app']);
    });

    test('belongs to the owner of the nearest directory', () => {
      const { uid, gid } = statSync(guest);
      expect(placed('a/b/new', 'app')[0]).toBe(`${uid}:${gid}`);
      expect(run(placeScript('/tr-not-made', 'app', shell)).stdout.toString()).toBe(
        `${statSync('/').uid}:${statSync('/').gid}\nno\n/tr-not-made`,
      );
    });

    test.for(ODD_NAMES)('with the name %j', (name) => {
      expect(placed('new/', name).slice(1)).toEqual(['no', `new/${name}`]);
      expect(placed(`${name}/there`, 'app').slice(1)).toEqual(['no', `${name}/there`]);
      expect(statSync(join(guest, name)).isDirectory()).toBe(true);
    });

    test('below a file is refused', () => {
      writeFileSync(join(guest, 'file'), '');
      const { status, stderr } = run(placeScript(join(guest, 'file/x/y'), 'app', shell));
      expect(status).not.toBe(0);
      expect(stderr.toString()).toContain(join(guest, 'file'));
    });
  });

  test('what is received is preceded by its place, and a NUL', () => {
    const { uid, gid } = statSync(guest);
    const { status, stdout } = run(receiveScript(`${guest}/`, 'app', false, shell), archiveOf('app'));
    expect([status, stdout.toString()]).toEqual([0, `${uid}:${gid}\nno\n${guest}/app\0`]);
  });

  describe('a file that is unpacked', () => {
    test.for(ODD_NAMES)('by the name %j keeps it, or has the one that it is given', (name) => {
      const archive = archiveOf(name);
      expect(run(receiveScript(join(guest, name), name, false, shell), archive).status).toBe(0);
      expect(run(receiveScript(join(guest, 'other'), name, false, shell), archive).status).toBe(0);
      expect(run(receiveScript(join(guest, `un${name}`), name, false, shell), archive).status).toBe(0);
      for (const file of [name, 'other', `un${name}`])
        expect(readFileSync(join(guest, file), 'utf8')).toBe('content');
      expect(readdirSync(guest)).toHaveLength(3);
    });

    test('takes the place of another file', () => {
      writeFileSync(join(guest, 'other'), 'before');
      expect(run(receiveScript(join(guest, 'other'), 'app', false, shell), archiveOf('app')).status).toBe(0);
      expect(readFileSync(join(guest, 'other'), 'utf8')).toBe('content');
    });

    test('and is broken leaves nothing', () => {
      const broken = archiveOf('app').subarray(0, 700);
      expect(run(receiveScript(join(guest, 'other'), 'app', false, shell), broken).status).not.toBe(0);
      expect(readdirSync(guest)).toEqual([]);
    });
  });

  describe('a directory that is unpacked', () => {
    test.for(ODD_NAMES)('at %j is joined with what is there', (name) => {
      mkdirSync(join(guest, name));
      writeFileSync(join(guest, name, 'old'), 'old');
      expect(run(receiveScript(guest, name, true, shell), archiveOf('new')).status).toBe(0);
      expect(readdirSync(join(guest, name))).toEqual(['new', 'old']);
    });

    test('and is broken is reported by the exit code', () => {
      const broken = archiveOf('app').subarray(0, 700);
      expect(run(receiveScript(join(guest, 'new'), 'app', true, shell), broken).status).not.toBe(0);
    });
  });

  describe('what is packed', () => {
    test.for(ODD_NAMES)('has its own name, %j', (name) => {
      mkdirSync(join(guest, name));
      writeFileSync(join(guest, name, name), 'content');
      const { status, stdout } = run(packScript(join(guest, name), shell));
      expect(status).toBe(0);
      expect(namesIn(stdout)).toEqual([`./${name}/`, `./${name}/${name}`]);
    });

    test('may be a link that leads nowhere', () => {
      symlinkSync('nowhere', join(guest, 'link'));
      expect(namesIn(run(packScript(join(guest, 'link'), shell)).stdout)).toEqual(['./link']);
    });

    test('may be named with a slash at its end', () => {
      mkdirSync(join(guest, 'there'));
      expect(namesIn(run(packScript(join(guest, 'there/'), shell)).stdout)).toEqual(['./there/']);
    });

    test('and is not there is reported by its own exit code', () => {
      const { status, stdout } = run(packScript(join(guest, 'nowhere'), shell));
      expect([status, stdout.length]).toEqual([MISSING, 0]);
      expect(MISSING).toBe(44);
    });
  });

  test.for([
    ['there', 0, 'yes\n'],
    ['link', 0, 'no\n'],
    ['dangling', 0, 'no\n'],
    ['file', 0, 'no\n'],
    ['nowhere', MISSING, ''],
    ['file/below', MISSING, ''],
  ] as const)('a look at %s', ([name, status, output]) => {
    mkdirSync(join(guest, 'there'));
    symlinkSync('there', join(guest, 'link'));
    symlinkSync('nowhere', join(guest, 'dangling'));
    writeFileSync(join(guest, 'file'), '');
    const answer = run(lookScript(join(guest, name), shell));
    expect([answer.status, answer.stdout.toString()]).toEqual([status, output]);
  });
});

/** A tar archive of one file. */
function archiveOf(name: string): Buffer {
  const directory = mkdtempSync('/tmp/tr-archive-');
  writeFileSync(join(directory, name), 'content');
  const archive = execFileSync('tar', ['-c', '--no-unquote', '-f', '-', '-C', directory, '--', `./${name}`]);
  rmSync(directory, { recursive: true });
  return archive;
}

/** The names in a tar archive, as they are. */
function namesIn(archive: Buffer): string[] {
  const output = execFileSync('tar', ['-t', '--quoting-style=literal', '--null', '-f', '-'], {
    input: archive,
  });
  return output
    .toString()
    .split(/\n(?=\.\/)/)
    .map((name) => name.replace(/\n$/, ''))
    .filter(Boolean);
}
