import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStagedCopy } from '../../src/transfer/staged-copy.ts';

let work = '';
let runDirectory = '';
beforeEach(() => {
  work = mkdtempSync('/tmp/tr-landing-');
  runDirectory = mkdtempSync('/tmp/tr-run-');
});
afterEach(() => {
  rmSync(work, { recursive: true });
  expect(readdirSync(runDirectory)).toEqual([]);
  rmSync(runDirectory, { recursive: true });
});

/** Receives one file or directory from a guest path. */
async function land(destination: string, guestPath: string, fill: (path: string) => void): Promise<string> {
  const landing = await openStagedCopy(destination, guestPath, runDirectory);
  try {
    fill(join(landing.stage, guestPath.split('/').at(-1) ?? ''));
    await landing.commit(new AbortController().signal);
  } finally {
    await landing.remove();
  }
  return landing.target;
}

describe('where something lands', () => {
  test.for([
    ['new', 'new'],
    ['new/', 'new/log'],
    ['there', 'there/log'],
    ['there/', 'there/log'],
    ['a/b/new', 'a/b/new'],
  ] as const)('%s: at %s', async ([destination, target]) => {
    mkdirSync(join(work, 'there'));
    const suffix = destination.endsWith('/') ? '/' : '';
    await land(join(work, destination) + suffix, '/var/log', (path) => writeFileSync(path, 'x'));
    expect(readFileSync(join(work, target), 'utf8')).toBe('x');
    // nothing of the way there is left
    expect(
      readdirSync(work, { recursive: true }).filter((name) => String(name).includes('.transient')),
    ).toEqual([]);
  });

  test('a directory is joined with the one that is there', async () => {
    mkdirSync(join(work, 'out/log/old'), { recursive: true });
    writeFileSync(join(work, 'out/log/both'), 'before');
    await land(join(work, 'out'), '/var/log', (path) => {
      mkdirSync(join(path, 'new'), { recursive: true });
      writeFileSync(join(path, 'both'), 'after');
    });
    expect(readdirSync(join(work, 'out/log')).sort()).toEqual(['both', 'new', 'old']);
    expect(readFileSync(join(work, 'out/log/both'), 'utf8')).toBe('after');
  });

  test('a link is replaced, not followed', async () => {
    writeFileSync(join(work, 'precious'), 'mine');
    symlinkSync('precious', join(work, 'log'));
    await land(join(work, 'log'), '/var/log', (path) => writeFileSync(path, 'theirs'));
    expect(readFileSync(join(work, 'precious'), 'utf8')).toBe('mine');
    expect(lstatSync(join(work, 'log')).isSymbolicLink()).toBe(false);
  });

  test('a file does not take the place of a directory', async () => {
    mkdirSync(join(work, 'out/log'), { recursive: true });
    const late = land(join(work, 'out'), '/var/log', (path) => writeFileSync(path, 'x'));
    await expect(late).rejects.toThrow('is a directory on the host');
  });

  test('what a guest sends besides is not kept', async () => {
    await land(join(work, 'out/'), '/var/log', (path) => {
      writeFileSync(path, 'x');
      writeFileSync(join(path, '../evil'), 'y');
    });
    expect(readdirSync(join(work, 'out'))).toEqual(['log']);
  });

  test('nothing at all is an error', async () => {
    await expect(land(join(work, 'out/'), '/var/log', () => undefined)).rejects.toThrow(
      'the guest did not send',
    );
    expect(existsSync(join(work, 'out/log'))).toBe(false);
  });
});

describe('a path in the guest that ends in no name', () => {
  const fill = (path: string): void => writeFileSync(join(path, 'file'), 'x');
  const receive = async (destination: string, guestPath: string): Promise<void> => {
    const landing = await openStagedCopy(
      join(work, destination) + (destination.endsWith('/') ? '/' : ''),
      guestPath,
      runDirectory,
    );
    try {
      await landing.mirror(new AbortController().signal);
      fill(landing.stage);
      await landing.commit(new AbortController().signal);
    } finally {
      await landing.remove();
    }
  };

  test.for(['/', '/srv/.'])('%s is what is in that directory', async (guestPath) => {
    mkdirSync(join(work, 'there'));
    symlinkSync('there', join(work, 'link'));
    for (const destination of ['new', 'new/', 'other/', 'there', 'link/', 'link'])
      await receive(destination, guestPath);
    for (const name of ['new', 'other', 'there', 'link'])
      expect(readdirSync(join(work, name))).toEqual(['file']);
    expect(lstatSync(join(work, 'link')).isSymbolicLink()).toBe(false);
  });
});
