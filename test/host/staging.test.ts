import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identityOf } from '../../src/host/process-identity.ts';
import { openStaging, sweepStagingOf } from '../../src/host/staging.ts';

let work = '';
let place = '';
let run = '';

beforeEach(() => {
  work = mkdtempSync('/tmp/tr-staging-');
  place = join(work, 'place');
  run = join(work, 'run');
  for (const directory of [place, run]) mkdirSync(directory);
});

afterEach(() => rmSync(work, { recursive: true }));

test('a staging directory is noted until it is removed', async () => {
  const staging = await openStaging(place, run);
  expect(readdirSync(place)).toEqual([basename(staging.path)]);
  expect(readdirSync(run)).toHaveLength(1);
  await staging.remove();
  expect([readdirSync(place), readdirSync(run)]).toEqual([[], []]);
});

test('one that cannot be made leaves no note', async () => {
  await expect(openStaging(join(place, 'none'), run)).rejects.toThrow('ENOENT');
  expect(readdirSync(run)).toEqual([]);
});

describe('a dead process', () => {
  test('what its run directory names is removed, with all that is in it', async () => {
    const { path } = await openStaging(place, run);
    mkdirSync(join(path, 'deep'));
    writeFileSync(join(path, 'deep/file'), '');
    await sweepStagingOf(run);
    expect(existsSync(path)).toBe(false);
  });

  test('nothing else that a note names is removed', async () => {
    const { path } = await openStaging(place, run);
    const precious = join(work, 'precious');
    renameSync(path, precious);
    symlinkSync(precious, path);
    const file = path.replace(/[0-9a-f]{8}$/, '01234567');
    writeFileSync(file, '');
    writeFileSync(join(run, 'staging-1'), precious);
    writeFileSync(join(run, 'staging-2'), file);
    writeFileSync(join(run, 'staging-3'), join(work, 'none'));
    await sweepStagingOf(run);
    expect([precious, path, file].filter((one) => !existsSync(one))).toEqual([]);
  });
});

describe('a copy to the same place', () => {
  test('removes what copies of dead processes left, and nothing of those that live', async () => {
    const dead = await leftBy(await deadProcess());
    const alive = await leftBy({ pid: process.pid, started: identityOf(process.pid)?.started ?? 0 });
    const reused = await leftBy({ pid: process.pid, started: 1 });
    for (const name of ['.transient', '.transient-1-1', `${alive}x`]) mkdirSync(join(place, name));
    const { path } = await openStaging(place, run);
    expect(readdirSync(place).sort()).toEqual(
      [basename(path), alive, '.transient', '.transient-1-1', `${alive}x`].sort(),
    );
    expect([dead, reused].filter((name) => readdirSync(place).includes(name))).toEqual([]);
  });

  test('those of another kernel are left for a week', async () => {
    const [fresh, old] = ['11111111', '22222222'].map((end) => `.transient-1-1-00000000-${end}`) as [
      string,
      string,
    ];
    for (const name of [fresh, old]) mkdirSync(join(place, name));
    const weekAgo = Date.now() / 1000 - 8 * 24 * 3600;
    utimesSync(join(place, old), weekAgo, weekAgo);
    const { path } = await openStaging(place, run);
    expect(readdirSync(place).sort()).toEqual([basename(path), fresh].sort());
  });
});

/** A directory as a process of this kernel would have made it; its name. */
async function leftBy({ pid, started }: { pid: number; started: number }): Promise<string> {
  const { path } = await openStaging(work, run);
  const name = basename(path).replace(/^\.transient-\d+-\d+/, `.transient-${pid}-${started}`);
  renameSync(path, join(place, name));
  return name;
}

async function deadProcess(): Promise<{ pid: number; started: number }> {
  const child = spawn('sleep', ['60']);
  const { pid = 0 } = child;
  const started = identityOf(pid)?.started ?? 0;
  child.kill('SIGKILL');
  await once(child, 'exit');
  return { pid, started };
}

test('what is hard to remove is removed: read-only directories, names that are no UTF-8, a path without end', async () => {
  const { path, remove } = await openStaging(place, run);
  const script = `mkdir -p mod/a; echo x >mod/a/file; echo x >"mod/$(printf 'n\\377')"; chmod -R a-w mod; chmod 0 mod/a
    name=$(printf '%0200d' 0); for i in $(seq 30); do mkdir $name && cd $name || exit; done`;
  execFileSync('bash', ['-c', script], { cwd: path });
  await remove();
  expect([readdirSync(place), readdirSync(run)]).toEqual([[], []]);
});
