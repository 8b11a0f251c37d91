import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { inject } from 'vitest';
import type { Moment } from '../../fakes/qemu/faults.ts';
import type { Served } from '../../rig/http-server.ts';
import { HttpServer } from '../../rig/http-server.ts';
import { pathWithout } from '../../rig/path-without.ts';
import type { Ended } from '../../rig/program.ts';
import { Program } from '../../rig/program.ts';
import { commandLineOf } from '../../rig/processes.ts';
import { Rig } from '../../rig/rig.ts';
import type { Provoked, Scenario } from './scenario.ts';
import { Placeholders } from './placeholders.ts';
import { problemsIn } from './problem-text.ts';

/** Address that stands for that of the fixture's own server. */
export const SERVER = 'http://images.example.org';

const QEMU = 'qemu-system-x86_64';

/** A project with a host around it, in which one message is provoked: `await using fixture = new Fixture(scenario)`. */
export class Fixture implements AsyncDisposable {
  readonly rig: Rig;
  readonly #scenario: Scenario;
  readonly #placeholders = new Placeholders();
  readonly #project: string;
  /** Where files of the guest lie that are shown below /srv. */
  readonly #srv: string;
  readonly #path: string;
  readonly #programs: Program[] = [];
  readonly #afterwards: (() => void | Promise<void>)[] = [];
  #server: HttpServer | undefined;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.rig = new Rig({ faults: scenario.faults ?? {}, resumable: true, silent: true });
    const { root, work, home, backend, vmstore, runtime, environment } = this.rig;
    this.#project = join(work, 'shop');
    this.#srv = join(root, 'srv');
    this.#path = [join(home, 'bin'), environment['PATH']].join(delimiter);
    for (const directory of [this.#project, this.#srv]) mkdirSync(directory);
    this.#placeholders.add('/home/ada/shop', this.#project);
    this.#placeholders.add('/home/ada/.local/share/transient/backend', backend);
    this.#placeholders.add('/home/ada/.local/share/transient/vmstore', vmstore);
    this.#placeholders.add('/run/user/1000', runtime);
    this.#placeholders.add('/home/ada', home);
    this.#placeholders.add('/srv', this.#srv);
    this.#find(this.#path);
  }

  /** Provokes the message. */
  async play(): Promise<Provoked> {
    const { prepare, files = {}, typed, onTerminal = false, inAnyOrder = false } = this.#scenario;
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    const [last = '', ...earlier] = typed.toReversed();
    try {
      await prepare?.(this);
      for (const line of earlier.reverse()) await this.run(line);
      const { stderr, exitCode } = await this.run(onTerminal ? atTerminal(last) : last);
      const problems = problemsIn(this.#placeholders.shown(stderr.text));
      if (problems.length === 0) throw new Error('no problem was told of');
      return { scenario: this.#scenario, exitCode, problems: inAnyOrder ? problems.sort() : problems };
    } finally {
      for (const act of this.#afterwards.reverse()) await act();
    }
  }

  /** Clean-ups after the message was printed. */
  afterwards(act: () => void | Promise<void>): void {
    this.#afterwards.push(act);
  }

  /** Sends a signal to what is run last, once something has happened to its VM. */
  signal(moment: Moment, name: NodeJS.Signals): void {
    void this.rig.happened(moment).then(() => {
      const [owner] = this.rig.processes.filter((pid) => commandLineOf(pid).includes('transient.js'));
      if (owner !== undefined) process.kill(owner, name);
    });
  }

  /** Runs a command line in the project. */
  async run(line: string): Promise<Ended> {
    const program = this.start(line);
    program.write();
    return program.ended;
  }

  /** Starts a command line that goes on. */
  start(line: string): Program {
    const program = new Program(['sh', '-c', this.#placeholders.real(line)], {
      env: { ...this.rig.environment, PATH: this.#path },
      cwd: this.#project,
    });
    this.#programs.push(program);
    return program;
  }

  /** Where something really is: below the project, or, by an absolute path, where that stands for. */
  place(name: string): string {
    return name.startsWith('/') ? this.#placeholders.real(name) : join(this.#project, name);
  }

  write(name: string, content: string | Buffer): void {
    const path = this.place(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? this.#placeholders.real(content) : content);
  }

  directory(name: string): void {
    mkdirSync(this.place(name), { recursive: true });
  }

  /** Takes from everybody the right to write to something. */
  readOnly(name: string): void {
    this.#restrict(name, 0o555);
  }

  /** Takes from everybody all rights to something. */
  closed(name: string): void {
    this.#restrict(name, 0);
  }

  #restrict(name: string, mode: number): void {
    const path = this.place(name);
    chmodSync(path, mode);
    this.afterwards(() => chmodSync(path, 0o755));
  }

  /** Cuts a file off that may be read-only. */
  spoil(name: string): void {
    const path = this.place(name);
    chmodSync(path, 0o644);
    truncateSync(path, 100_000);
    chmodSync(path, 0o444);
  }

  /** Puts images into the backend. */
  stored(...names: readonly string[]): void {
    for (const name of names) this.rig.stored(name);
  }

  /** A program of the host, as a script. */
  program(name: string, script: string): void {
    writeProgram(join(this.rig.home, 'bin', name), script);
  }

  /** Takes a program from the host. */
  without(program: string): void {
    this.#find(pathWithout(join(this.rig.home, 'programs'), this.#path, program));
  }

  /** The programs that ours finds; what it takes to start it is found all the same. */
  #find(path: string): void {
    const command = [...UNPRIVILEGED, 'env', `PATH=${path}`, process.execPath, inject('binary')];
    this.program('transient', `exec ${command.join(' ')} "$@"`);
  }

  /** Programs of the guest, as scripts; `undefined` for one that it does not have. */
  guest(programs: Readonly<Record<string, string | undefined>>): void {
    const directory = join(this.rig.root, 'guest');
    for (const [name, script] of Object.entries(programs))
      if (script !== undefined) writeProgram(join(directory, name), script);
    const path = [directory, this.rig.environment['PATH'] ?? ''].join(delimiter);
    const missing = Object.keys(programs).filter((name) => programs[name] === undefined);
    const inside = missing.length === 0 ? path : pathWithout(join(this.rig.root, 'inside'), path, ...missing);
    this.program(QEMU, `PATH=${inside} exec ${join(inject('fakes'), QEMU)} "$@"`);
  }

  /** The fake QEMU by another name. */
  qemu(name: string): void {
    symlinkSync(join(inject('fakes'), QEMU), join(this.rig.home, 'bin', name));
  }

  /** A web server, which is shown as {@link SERVER}. */
  async server(): Promise<HttpServer> {
    if (this.#server) return this.#server;
    const server = await HttpServer.start();
    this.#server = server;
    this.afterwards(() => server[Symbol.asyncDispose]());
    this.#placeholders.add(SERVER, server.url(''));
    return server;
  }

  /** Puts something on the web server. */
  async serve(path: string, served: Served | Buffer): Promise<void> {
    (await this.server()).serve(path, served);
  }

  /** Shows something real as something else. */
  shows(shown: string, real: string): void {
    this.#placeholders.add(shown, real);
  }

  /** Has somebody listen on a port of loopback, which is shown as another one. */
  async occupied(shown: number): Promise<void> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#placeholders.add(String(shown), String((server.address() as AddressInfo).port));
    this.afterwards(async () => {
      await once(server.close(), 'close');
    });
  }

  /** Programs and output so far, for the log of a failed scenario. */
  log(): string {
    return [...this.#programs.map((program) => program.log()), this.rig.log()].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program.kill();
    await this.rig[Symbol.asyncDispose]();
  }
}

/** Command that drops root's file capabilities, ending with the shell that runs it. */
const UNPRIVILEGED = [
  ...['setpriv', '--pdeathsig', 'KILL'],
  ...(process.getuid?.() === 0 ? ['--bounding-set=-dac_override,-dac_read_search'] : []),
  '--',
];

/** A command line at a terminal of its own, on which nothing is typed, with the stderr that it has there. */
function atTerminal(line: string): string {
  return `script -qec '${line} 2>told' /dev/null </dev/null >/dev/null; code=$?; cat told >&2; exit $code`;
}

function writeProgram(path: string, script: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}
