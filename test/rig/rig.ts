import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { inject, onTestFailed } from 'vitest';
import { encodeName } from '../../src/host/store-layout.ts';
import type { Entry, Faults, Moment } from '../fakes/qemu/faults.ts';
import { commandLineOf, processesWith } from './processes.ts';
import type { Ended } from './program.ts';
import { Program } from './program.ts';
import { until } from './until.ts';

export interface RigOptions {
  /** The QEMU on PATH is the fake one; without it, the host's. */
  readonly fakeQemu?: boolean;
  /** Faults of the fake QEMU. */
  readonly faults?: Faults;
  /** Over the rig's own environment; what is undefined is taken out of it. */
  readonly env?: NodeJS.ProcessEnv;
  /** A download that broke off may be left, for the next attempt to go on with. */
  readonly resumable?: boolean;
  /** Nothing is told when the test fails: it has many rigs, and tells of that one itself which failed. */
  readonly silent?: boolean;
}

export interface RunOptions {
  readonly stdin?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  /** Below the rig's root. */
  readonly cwd?: string;
}

/** Marks every process that a rig starts, through however many generations. */
const MARK = 'TRANSIENT_RIG';
const GUEST_MARK = 'TRANSIENT_RIG_GUEST';

/**
 * A home, stores and the real program for one test: `await using rig = new Rig()`. When the test is over, nothing may
 * be left: no process, no run directory, no half-made image.
 */
export class Rig implements AsyncDisposable {
  /** Short, because the paths of sockets below it must be. */
  readonly root = mkdtempSync('/tmp/tr-');
  readonly home = this.#directory('home');
  readonly runtime = this.#directory('run');
  readonly backend = this.#directory('backend');
  readonly vmstore = join(this.root, 'vmstore');
  readonly work = this.#directory('work');
  readonly #log = join(this.root, 'qemu.log');
  /** The environment of everything that is started. */
  readonly environment: NodeJS.ProcessEnv;
  readonly #programs: Program[] = [];
  readonly #ends: (() => unknown)[] = [];
  readonly #resumable: boolean;
  /** Log collected before the tree was removed. */
  #lastWords: string | undefined;

  constructor({
    fakeQemu = true,
    faults = {},
    env = {},
    resumable = false,
    silent = false,
  }: RigOptions = {}) {
    this.#resumable = resumable;
    const path = process.env['PATH'] ?? '/usr/bin:/bin';
    this.environment = {
      PATH: fakeQemu ? `${inject('fakes')}:${path}` : path,
      HOME: this.home,
      XDG_RUNTIME_DIR: this.runtime,
      TRANSIENT_BACKEND: this.backend,
      TRANSIENT_VMSTORE: this.vmstore,
      TRANSIENT_HTTP_RETRY_DELAY: '0.01',
      FAKE_QEMU: JSON.stringify({ log: this.#log, ...faults }),
      [MARK]: this.root,
      ...env,
    };
    if (!silent) onTestFailed(() => console.error(this.log()));
  }

  /** Writes files below the working directory; keys are paths. */
  write(files: Readonly<Record<string, string | Buffer>>): void {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.work, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }

  /** Makes a small disk image in the working directory and returns its path. */
  image(name: string, format: 'qcow2' | 'raw' = 'qcow2'): string {
    const path = join(this.work, name);
    execFileSync('qemu-img', ['create', '-q', '-f', format, path, '1M']);
    return path;
  }

  /** Puts a small image into the backend, as if it had been retrieved before; returns its name. */
  stored(name = 'test'): string {
    const path = join(this.backend, encodeName(name));
    if (existsSync(path)) return name;
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '1M']);
    chmodSync(path, 0o444);
    return name;
  }

  /** The images that the backend lists, by their file names. */
  get images(): string[] {
    return namesIn(this.backend).filter((name) => !name.startsWith('.'));
  }

  /** Files of unfinished images, as paths below their directory. */
  get unfinished(): string[] {
    const working = join(this.backend, '.working');
    if (!existsSync(working)) return [];
    const found = readdirSync(working, { recursive: true, withFileTypes: true });
    return found
      .map((entry) => join(entry.parentPath, entry.name) + (entry.isDirectory() ? '/' : ''))
      .map((path) => relative(working, path) + (path.endsWith('/') ? '/' : ''))
      .sort();
  }

  /** Retrieves images without a VM. */
  async pull(...specs: readonly string[]): Promise<Ended> {
    return this.run(['image', 'pull', ...specs]);
  }

  /** Waits until so many bytes of an image are on the disk. */
  async downloaded(image: string, bytes: number): Promise<void> {
    const path = join(this.backend, '.working', encodeName(image), 'download');
    await until(`${bytes} bytes of ${image}`, () => existsSync(path) && statSync(path).size >= bytes);
  }

  /** Runs the program to its end. Without `stdin` it has an empty one. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const program = this.start(args, options);
    if (options.stdin !== undefined) program.write(options.stdin);
    program.write();
    return program.ended;
  }

  /** The command line of the program. */
  commandLine(args: readonly string[]): string[] {
    return [process.execPath, inject('binary'), ...args];
  }

  /** Starts the program and returns while it runs; its stdin stays open. */
  start(args: readonly string[], options: Omit<RunOptions, 'stdin'> = {}): Program {
    return this.#launch(this.commandLine(args), options);
  }

  /** Runs another program, which may run ours, to its end. */
  async command(command: readonly string[], options: Omit<RunOptions, 'stdin'> = {}): Promise<Ended> {
    const program = this.#launch(command, options);
    program.write();
    return program.ended;
  }

  /** Starts another program, which may run ours, and returns while it runs. */
  startCommand(command: readonly string[], options: Omit<RunOptions, 'stdin'> = {}): Program {
    return this.#launch(command, options);
  }

  #launch(command: readonly string[], { env = {}, cwd = '' }: Omit<RunOptions, 'stdin'>): Program {
    const program = new Program(command, {
      cwd: join(this.work, cwd),
      env: { ...this.environment, ...env },
    });
    this.#programs.push(program);
    return program;
  }

  /** Events of the fake QEMUs so far, in order. */
  entries(moment?: Moment): Entry[] {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, 'utf8').split('\n').filter(Boolean);
    const entries = lines.map((line) => JSON.parse(line) as Entry);
    return moment === undefined ? entries : entries.filter((entry) => entry.moment === moment);
  }

  /** Waits until something has happened to a fake QEMU. */
  async happened(moment: Moment, name?: string): Promise<Entry> {
    const wanted = (entry: Entry): boolean => name === undefined || entry.name === name;
    return until(`the fake QEMU's ${moment}`, () => this.entries(moment).find(wanted));
  }

  /** The processes that the program has started, and it itself. */
  get processes(): number[] {
    return processesWith(MARK, this.root);
  }

  /** Leftovers of sessions: our processes, run directories, unfinished images. */
  leftovers(): string[] {
    const running = this.processes.map((pid) => `process ${pid}: ${commandLineOf(pid)}`);
    const runs = namesIn(join(this.runtime, 'transient')).map((name) => `run directory ${name}`);
    const working = this.unfinished
      .filter((path) => !(this.#resumable && isResumable(path)))
      .map((path) => `unfinished image ${path}`);
    const strange = this.images
      .filter((name) => !isFinished(join(this.backend, name)))
      .map((name) => `not a finished image: ${name}`);
    return [...running, ...runs, ...working, ...strange];
  }

  /** Everything that was said, for people who read of a failed test. */
  log(): string {
    if (this.#lastWords !== undefined) return this.#lastWords;
    const diary = this.entries().map((entry) => JSON.stringify(entry));
    return [...this.#programs.map((program) => program.log()), '--- fake QEMU:', ...diary].join('\n');
  }

  /** Does something before it is looked whether anything is left: ends what the test itself has begun. */
  atEnd(action: () => unknown): void {
    this.#ends.push(action);
  }

  async end(): Promise<void> {
    for (const action of this.#ends.splice(0)) await action();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    const alive = await Promise.all(this.#programs.map((program) => program.kill()));
    // a process that the kernel kills with its parent is there for a moment longer, on a busy machine for a long one
    await until('the last processes', () => this.processes.length === 0, GRACE).catch(() => undefined);
    const left = [
      ...this.#programs.filter((_program, index) => alive[index]).map((program) => `program ${program.pid}`),
      ...this.leftovers(),
    ];
    for (const pid of [...processesWith(MARK, this.root), ...processesWith(GUEST_MARK, this.root)]) kill(pid);
    // a failed test is told of later
    this.#lastWords = this.log();
    rmSync(this.root, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
  }

  #directory(name: string): string {
    const path = join(this.root, name);
    mkdirSync(path, { mode: 0o700 });
    return path;
  }
}

/** Time for processes that are about to go, in milliseconds. */
const GRACE = 1000;

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Images are read-only once they are finished. */
function isFinished(path: string): boolean {
  const found = statSync(path);
  return found.isFile() && (found.mode & 0o222) === 0;
}

/** Partial file of an interrupted download. */
function isResumable(path: string): boolean {
  return /^[^/]+\/(download(\.json)?)?$/.test(path);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}
