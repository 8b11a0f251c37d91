import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { ageNewborns, changeDisk, expectSound, expectWhole, makeVm } from './store.ts';

/** How many points of each command are tried, of all that there are. */
const POINTS = Number(process.env['TRANSIENT_KILL_POINTS'] ?? 5);
const LANES = 2;

interface Case {
  readonly name: string;
  readonly prepare: (rig: Rig) => void | Promise<void>;
  readonly args: readonly string[];
  readonly judge?: (rig: Rig) => Promise<void>;
}

const CASES: readonly Case[] = [
  {
    name: 'create',
    prepare: (rig) => void rig.stored(),
    args: ['create', 'test', '--name', 'vm', '--cpus', '1'],
  },
  { name: 'rm', prepare: makeVm, args: ['rm', 'vm'] },
  { name: 'start', prepare: makeVm, args: ['start', 'vm', '--cmd', 'true'] },
  {
    name: 'commit',
    prepare: async (rig) => {
      await makeVm(rig);
      changeDisk(rig);
    },
    args: ['commit', 'vm', 'copy'],
    judge: expectWhole,
  },
];

test.for(CASES)(
  'a killed $name leaves a VM that is fine, or none, whatever it was about to change',
  { timeout: 60_000 + 6000 * POINTS },
  async ({ name, prepare, args, judge }) => {
    const changes = await changesOf(prepare, args);
    const points = some(changes, POINTS);
    const outcomes: string[] = [];
    const work = async (): Promise<void> => {
      for (let point = points.pop(); point !== undefined; point = points.pop()) {
        await using rig = new Rig();
        await prepare(rig);
        const { signal } = await rig.run(args, { env: preload(rig, point) });
        expect(signal).toBe('SIGKILL');
        ageNewborns(rig);
        await judge?.(rig);
        outcomes.push(`${await expectSound(rig)} before ${changes[point] ?? ''}`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, work));
    console.log(`${name}: ${outcomes.length} of ${changes.length} points\n${outcomes.sort().join('\n')}`);
  },
);

/** Filesystem changes of a command that is not killed, in order. */
async function changesOf(prepare: Case['prepare'], args: readonly string[]): Promise<string[]> {
  await using rig = new Rig();
  await prepare(rig);
  expect((await rig.run(args, { env: preload(rig) })).exitCode).toBe(0);
  const lines = readFileSync(logOf(rig), 'utf8').trim().split('\n');
  return lines.map((line) => line.replaceAll(`${rig.root}/`, ''));
}

function preload(rig: Rig, point?: number): NodeJS.ProcessEnv {
  return {
    NODE_OPTIONS: `--import=${new URL('killed-at.mjs', import.meta.url).href}`,
    CHANGES_LOG: logOf(rig),
    ...(point === undefined ? {} : { KILL_AT: String(point) }),
  };
}

function logOf(rig: Rig): string {
  return join(rig.root, 'changes.log');
}

/** Indexes into a list in a random order, no more than so many. */
function some(list: readonly unknown[], most: number): number[] {
  const indexes = [...list.keys()].map((index) => ({ index, lot: Math.random() }));
  return indexes
    .sort((a, b) => a.lot - b.lot)
    .slice(0, most)
    .map(({ index }) => index);
}
