import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Rig } from './rig.ts';

/** Nanoseconds. */
const SECOND = 1_000_000_000n;
/** The content of larger files is not looked at, in bytes. */
const MOST_READ = 1_000_000;

/** Files of every kind, with times, modes, links, holes and names that are hard on programs. */
export function plantTree(rig: Rig): string {
  const tree = join(rig.work, 'tree');
  mkdirSync(join(tree, 'deep/er'), { recursive: true });
  writeFileSync(join(tree, 'plain'), 'plain\n');
  writeFileSync(join(tree, 'deep/er/secret'), 'secret\n', { mode: 0o600 });
  writeFileSync(join(tree, 'run me'), '#!/bin/sh\n');
  chmodSync(join(tree, 'run me'), 0o755);
  symlinkSync('../plain', join(tree, 'deep/link'));
  symlinkSync('/nowhere', join(tree, 'dangling'));
  linkSync(join(tree, 'plain'), join(tree, 'deep/hard'));
  writeFileSync(join(tree, 'sparse'), '');
  truncateSync(join(tree, 'sparse'), 50 << 20);
  for (const name of ['new\nline', `quo'te"s $x`, '-n', 'ünï', ' space '])
    writeFileSync(join(tree, name), name);
  execFileSync('sh', ['-c', 'printf x > "$(printf "no UTF-8 \\377\\376")"'], { cwd: tree });
  for (let index = 0; index < 300; index++) writeFileSync(join(tree, 'deep', `many ${index}`), String(index));
  utimesSync(join(tree, 'plain'), 1_000_000_000, 1_234_567_890.123);
  mkdirSync(join(tree, 'empty'), { mode: 0o700 });
  return tree;
}

/** A line for everything below a directory: name, kind and mode, links, time, size, whether it has holes, and content. */
export function described(directory: string): string[] {
  return namesBelow(Buffer.from(directory))
    .map((name) => {
      const path = Buffer.concat([Buffer.from(`${directory}/`), name]);
      const found = lstatSync(path, { bigint: true });
      const content = found.isSymbolicLink()
        ? readlinkSync(path)
        : found.isFile() && found.size < MOST_READ
          ? createHash('sha256').update(readFileSync(path)).digest('hex')
          : '';
      const holes = found.isFile() && found.blocks * 512n < found.size;
      const size = found.isFile() ? found.size : 0;
      const links = found.isDirectory() ? 0 : found.nlink;
      const time = `${found.mtimeNs / SECOND}.${String(found.mtimeNs % SECOND).padStart(9, '0')}`;
      return `${name.toString('latin1')} ${found.mode.toString(8)} ${links} ${time} ${size} ${holes} ${content}`;
    })
    .sort();
}

/** Everything below a directory, by paths that need not be UTF-8. */
function namesBelow(directory: Buffer): Buffer[] {
  return readdirSync(directory, { encoding: 'buffer', withFileTypes: true }).flatMap((entry) => {
    const name = entry.name as unknown as Buffer;
    if (!entry.isDirectory()) return [name];
    const below = namesBelow(Buffer.concat([directory, Buffer.from('/'), name]));
    return [name, ...below.map((inner) => Buffer.concat([name, Buffer.from('/'), inner]))];
  });
}
