import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { ageNewborns, changeDisk, expectSound, expectWhole, livingQemus, makeVm } from './store.ts';

/** At how many points of its life each victim is killed. */
const POINTS = Number(process.env['TRANSIENT_KILL_POINTS'] ?? 5);

/** Trials that go on at the same time: they wait more than they compute. */
const LANES = 2;

/** The victim, and the programs that end with it. */
interface Victim {
  readonly pid: number;
  readonly programs: readonly Program[];
  /** Continues where the victim did not finish. */
  readonly session?: Program;
}

/** Looks at what a victim left, and says of what kind that is. */
type Aftermath = (rig: Rig, victim: Victim) => Promise<string>;

/** Gets a VM to where the victim's life begins. */
type Scenario = (rig: Rig) => Promise<Victim>;

const create: Scenario = (rig) => {
  rig.stored();
  return Promise.resolve(itself(rig.start(['create', 'test', '--name', 'vm'])));
};

const start: Scenario = async (rig) => {
  await makeVm(rig);
  return itself(rig.start(['start', 'vm', '--cmd', 'true']));
};

const stop: Scenario = async (rig) => {
  const session = await makeSession(rig);
  return { ...itself(rig.start(['stop', 'vm'])), session };
};

const commit: Scenario = async (rig) => {
  await makeVm(rig);
  changeDisk(rig);
  return itself(rig.start(['commit', 'vm', 'copy']));
};

const rm: Scenario = async (rig) => {
  await makeVm(rig);
  return itself(rig.start(['rm', 'vm']));
};

const stoppedSession: Scenario = async (rig) => {
  const session = await makeSession(rig);
  session.signal('SIGTERM');
  return itself(session);
};

const bootedQemu: Scenario = async (rig) => {
  const { programs } = await start(rig);
  const qemu = await until('a QEMU', () => livingQemus(rig.vmstore)[0]);
  return { pid: qemu.pid, programs };
};

const stoppedQemu: Scenario = async (rig) => {
  const session = await makeSession(rig);
  const { pid } = await rig.happened('start');
  return { pid, programs: [rig.start(['stop', 'vm']), session] };
};

describe(`killed at ${POINTS} points of its life`, { timeout: 60_000 + 6000 * POINTS }, () => {
  test.for([
    ['a create', create],
    ['a start', start],
    ['an rm', rm],
    ['a session that is being stopped', stoppedSession],
    ['the QEMU of a start', bootedQemu],
    ['the QEMU of a session that is being stopped', stoppedQemu],
  ] as const)('%s leaves a VM that is fine, or none', async ([what, scenario]) => {
    await killAll(what, scenario, expectSound);
  });

  test('a stop leaves a session that can be stopped', async () => {
    await killAll('a stop', stop, async (rig, { session }) => {
      // it may not have said anything yet
      const { exitCode, stderr } = await rig.run(['stop', 'vm']);
      if (exitCode !== 0) expect(stderr.text).toContain("No running VM found with the name 'vm'");
      await session?.ended;
      return expectSound(rig);
    });
  });

  test('a commit leaves a whole image, or none', async () => {
    await killAll('a commit', commit, async (rig) => {
      const image = rig.images.includes('copy') ? 'image' : 'no image';
      await expectWhole(rig);
      return `${await expectSound(rig)}, ${image}`;
    });
  });
});

/** Kills a victim at each point of its life in turn. */
async function killAll(what: string, scenario: Scenario, after: Aftermath): Promise<void> {
  const lives = await Promise.all(Array.from({ length: LANES }, () => lengthOf(scenario)));
  const life = Math.max(...lives);
  const points = Array.from({ length: POINTS }, (_point, index) => (life * (index + Math.random())) / POINTS);
  const outcomes = new Map<string, number>();
  const work = async (): Promise<void> => {
    for (let point = points.pop(); point !== undefined; point = points.pop()) {
      const outcome = await killOne(scenario, point, after);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: LANES }, work));
  const counts = [...outcomes].sort().map(([outcome, count]) => `${count} ${outcome}`);
  console.log(`${what} of ${Math.round(life)} ms: ${counts.join('; ')}`);
}

async function killOne(scenario: Scenario, point: number, after: Aftermath): Promise<string> {
  await using rig = new Rig();
  const victim = await scenario(rig);
  const { pid, programs } = victim;
  const ends = Promise.all(programs.map((program) => program.ended));
  const ended = await Promise.race([ends, delay(point)]);
  kill(pid);
  await ends;
  for (const program of programs) expect(program.stderr.text).not.toMatch(/internal error|^ +at \S+ \(/m);
  ageNewborns(rig);
  return `${ended ? 'ended before' : 'killed'} (${await after(rig, victim)})`;
}

/** How long a victim lives that nobody kills, in milliseconds. */
async function lengthOf(scenario: Scenario): Promise<number> {
  await using rig = new Rig();
  const { programs, session } = await scenario(rig);
  const begin = performance.now();
  await Promise.all(programs.map((program) => program.ended));
  const length = performance.now() - begin;
  await session?.ended;
  return length;
}

/** A VM in which a command runs. */
async function makeSession(rig: Rig): Promise<Program> {
  await makeVm(rig);
  const session = rig.start(['start', 'vm', '--cmd', 'sleep 1000']);
  await rig.happened('command');
  return session;
}

function itself(program: Program): Victim {
  return { pid: program.pid, programs: [program] };
}

/** Itself alone, not what it started. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it was quicker
  }
}
