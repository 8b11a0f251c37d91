import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import type { Ended } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import type { LivingQemu } from './store.ts';
import { allPids, argumentsOf, listed, livingQemus, parentOf, unfinishedVms } from './store.ts';

/** How long the crowd goes on; without it, until it has done a fixed number of operations. */
const SECONDS = Number(process.env['TRANSIENT_CROWD_SECONDS'] ?? 0);
const LIMIT = 150;
const WORKERS = SECONDS > 0 ? 50 : 10;

const NAMES = ['one', 'two', 'three', 'four', 'five'];

/** A crowd on two processors is slow, which is no fault. */
const PATIENTLY = ['--qmp-timeout', '600', '--ssh-timeout', '600', '--shutdown-timeout', '600'];
const COMMANDS = ['true', 'sleep 0.3'];

interface Operation {
  readonly name: string;
  /** How often it is drawn, compared with the others. */
  readonly weight: number;
  readonly args: (vm: string) => string[];
  /** The words with which it may be refused. */
  readonly refusals: readonly string[];
  /** Somebody may end it with `stop`. */
  readonly isSession?: boolean;
}

const [EXISTS, MISSING, IN_USE, NOT_RUNNING] = [
  'already exists',
  'No VM with name',
  'is in use by',
  'No running VM found',
];

const OPERATIONS: readonly Operation[] = [
  {
    name: 'create',
    weight: 4,
    args: (vm) => ['create', 'test', '--name', vm, ...PATIENTLY],
    refusals: [EXISTS],
  },
  {
    name: 'start',
    weight: 5,
    args: (vm) => ['start', vm, '--cmd', pick(COMMANDS)],
    refusals: [MISSING, IN_USE],
    isSession: true,
  },
  {
    name: 'run',
    weight: 3,
    args: (vm) => ['run', 'test', '--name', vm, ...PATIENTLY, '--cmd', pick(COMMANDS)],
    refusals: [MISSING, IN_USE],
    isSession: true,
  },
  { name: 'stop', weight: 3, args: (vm) => ['stop', vm], refusals: [NOT_RUNNING] },
  { name: 'stop --kill', weight: 2, args: (vm) => ['stop', '--kill', vm], refusals: [NOT_RUNNING] },
  { name: 'rm', weight: 2, args: (vm) => ['rm', vm], refusals: [MISSING, IN_USE] },
  { name: 'rm -f', weight: 1, args: (vm) => ['rm', '-f', vm], refusals: [MISSING, IN_USE] },
  { name: 'ps', weight: 1, args: () => ['ps'], refusals: [] },
  { name: 'ps -a --json', weight: 2, args: () => ['ps', '-a', '--json'], refusals: [] },
];

const LOTS = OPERATIONS.flatMap((operation) => Array.from({ length: operation.weight }, () => operation));

test(
  `${WORKERS} processes at a time on ${NAMES.length} VMs do each other no harm`,
  { timeout: 120_000 + 5000 * SECONDS },
  async () => {
    await using rig = new Rig();
    rig.stored();
    const crowd = new Crowd(rig);
    const watch = new Watch(rig);
    const deadline = Date.now() + 1000 * SECONDS;
    const more = (): boolean => (SECONDS > 0 ? Date.now() < deadline : crowd.begun < LIMIT);
    await Promise.all(Array.from({ length: WORKERS }, () => crowd.work(more)));
    await watch.end();
    console.log(`${crowd.summary()}\n${watch.summary()}`);
    expect([...watch.overlaps, ...crowd.complaints]).toEqual([]);
    await startAndRemoveAll(rig);
    expect(unfinishedVms(rig)).toEqual([]);
    expect(rig.leftovers()).toEqual([]);
  },
);

/** Workers that do one random operation after the other. */
class Crowd {
  begun = 0;
  readonly complaints: string[] = [];
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #rig: Rig;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  async work(more: () => boolean): Promise<void> {
    while (more()) await this.#operate(pick(LOTS), pick(NAMES));
  }

  async #operate(operation: Operation, vm: string): Promise<void> {
    this.begun++;
    const { name } = operation;
    const args = operation.args(vm);
    const ended = await this.#rig.run(args);
    const outcome = outcomeOf(operation, ended);
    const counts = this.#counts.get(name) ?? new Map<string, number>();
    this.#counts.set(name, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
    if (outcome === 'unexpected')
      this.complaints.push(
        `${args.join(' ')}: ${ended.exitCode ?? ended.signal ?? '?'}\n${ended.stderr.text}`,
      );
    if (name === 'ps -a --json') this.#judge(ended.stdout.text);
  }

  /** Checks a listing made while others work: each VM once, and none of them broken. */
  #judge(json: string): void {
    const rows = JSON.parse(json) as { name: string; status: string }[];
    const names = rows.map((row) => row.name);
    const isFine = new Set(names).size === names.length && rows.every(({ status }) => status !== 'broken');
    if (!isFine) this.complaints.push(`ps -a --json: ${json}`);
  }

  summary(): string {
    const lines = [...this.#counts].sort().map(([name, counts]) => {
      const outcomes = [...counts].sort().map(([outcome, count]) => `${count} ${outcome}`);
      return `${name.padEnd(12)} ${outcomes.join(', ')}`;
    });
    return [`${this.begun} operations by ${WORKERS} workers`, ...lines].join('\n');
  }
}

function outcomeOf({ refusals, isSession = false }: Operation, ended: Ended): string {
  const { exitCode, signal, stderr } = ended;
  if (/internal error|^ +at \S+ \(|Unhandled/m.test(stderr.text)) return 'unexpected';
  if (exitCode === 0) return 'done';
  if (isSession && exitCode === 143) return 'stopped';
  if (isSession && signal === 'SIGKILL') return 'killed';
  const refusal = refusals.find((words) => stderr.text.includes(words));
  return exitCode === 1 && refusal !== undefined ? `"${refusal}"` : 'unexpected';
}

/** Looks again and again whether two QEMUs live on one disk. */
class Watch {
  readonly overlaps = new Set<string>();
  readonly #rig: Rig;
  readonly #before = new Set(allPids());
  readonly #seen = new Set<number>();
  readonly #looking: Promise<void>;
  #looks = 0;
  #over = false;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.#looking = this.#look();
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#looking;
  }

  summary(): string {
    return `${this.#looks} looks at ${this.#seen.size} QEMUs`;
  }

  async #look(): Promise<void> {
    while (!this.#over) {
      this.#looks++;
      const pids = allPids().filter((pid) => !this.#before.has(pid));
      const qemus = livingQemus(this.#rig.vmstore, pids);
      for (const { pid } of qemus) this.#seen.add(pid);
      for (const what of qemus.flatMap((one) => overlapsOf(one, qemus))) this.overlaps.add(what);
      await delay(5);
    }
  }
}

/** While we looked at the second one the first may have ended: both must live still. */
function overlapsOf(one: LivingQemu, all: readonly LivingQemu[]): string[] {
  return one.disks.flatMap((disk) => {
    const other = all.find(({ pid, disks }) => pid > one.pid && disks.includes(disk));
    if (other === undefined || ![one, other].every(({ pid }) => lives(pid))) return [];
    return [`${one.pid} and ${other.pid} on ${disk}`];
  });
}

/** The kernel kills a QEMU when its owner has died; an owner that dies gives its memory up before its locks. */
function lives(pid: number): boolean {
  return argumentsOf(parentOf(pid)).includes(inject('binary')) && argumentsOf(pid).length > 0;
}

async function startAndRemoveAll(rig: Rig): Promise<void> {
  for (const { name, status } of await listed(rig)) {
    expect([name, status]).toEqual([name, 'offline']);
    expect((await rig.run(['start', name, '--cmd', 'true'])).exitCode).toBe(0);
    expect((await rig.run(['rm', name])).exitCode).toBe(0);
  }
  // one that removes sweeps, and there may have been none
  expect((await rig.run(['create', 'test', '--name', 'last'])).exitCode).toBe(0);
  expect((await rig.run(['rm', 'last'])).exitCode).toBe(0);
  expect(await listed(rig)).toEqual([]);
}

function pick<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)] as T;
}
