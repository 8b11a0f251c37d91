import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a program ended, and all that it said. */
export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Output on one stream so far. */
export class Output {
  readonly #chunks: Buffer[] = [];

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

type Stream = 'stdout' | 'stderr';

/** Message for a guest whose kernel hung during boot: a bug of QEMU (src/builder/args.ts), not of ours. */
export const HUNG = /serial console, silent for (\d{3,}|[6-9]\d) s/;

/** A program that was started, in a process group of its own. */
export class Program {
  readonly stdout = new Output();
  readonly stderr = new Output();
  readonly ended: Promise<Ended>;
  readonly #command: readonly string[];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(command: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
    this.#command = command;
    // it dies with the tests, should they be killed
    const args = ['--pdeathsig', 'KILL', ...command];
    this.#child = spawn('setpriv', args, { ...options, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => this.stdout.add(chunk));
    this.#child.stderr?.on('data', (chunk: Buffer) => this.stderr.add(chunk));
    // a program need not read all that it is given
    this.#child.stdin?.on('error', () => undefined);
    this.#exited = once(this.#child, 'exit');
    this.ended = once(this.#child, 'close').then(() => this.#end());
    // where nobody waits for it
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`did not start: ${this.#command.join(' ')}`);
    return this.#child.pid;
  }

  get runs(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Writes to its stdin; without anything, closes it. */
  write(input?: string | Buffer): void {
    if (input === undefined) this.#child.stdin?.end();
    else this.#child.stdin?.write(input);
  }

  /** Waits until a stream has said what matches; fails when the program ends without it. */
  async waitFor(pattern: RegExp, on: Stream = 'stderr'): Promise<RegExpExecArray> {
    for (;;) {
      const over = !this.runs;
      const match = pattern.exec(this[on].text);
      if (match) return match;
      if (over) throw new Error(`ended without saying ${pattern} on ${on}\n${this.log()}`);
      await Promise.race([once(this.#streamOf(on), 'data'), this.ended]);
    }
  }

  /** A signal to the program alone. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** A signal to its process group, as the terminal sends ^C. */
  signalGroup(name: NodeJS.Signals): void {
    process.kill(-this.pid, name);
  }

  /** Ends it and all of its group; returns whether there was anything to end. */
  async kill(): Promise<boolean> {
    if (!this.runs) return false;
    this.signalGroup('SIGKILL');
    await this.#exited;
    return true;
  }

  /** Arguments and output, for the log of a failed test. */
  log(): string {
    const how = this.runs
      ? 'still runs'
      : `ended with ${this.#child.exitCode ?? this.#child.signalCode ?? '?'}`;
    return [
      `$ ${this.#command.join(' ')}   (process ${this.pid} ${how})`,
      ...(['stdout', 'stderr'] as const).map((name) => `--- ${name}:\n${shortened(this[name].text)}`),
    ].join('\n');
  }

  #streamOf(name: Stream): NodeJS.ReadableStream {
    const stream = this.#child[name];
    if (stream === null) throw new Error(`${name} is not piped`);
    return stream;
  }

  #end(): Ended {
    const { exitCode, signalCode } = this.#child;
    if (HUNG.test(this.stderr.text)) throw new Error(`the guest hung\n${this.log()}`);
    return { exitCode, signal: signalCode, stdout: this.stdout, stderr: this.stderr };
  }
}

function shortened(text: string): string {
  return text.length > 4000 ? `${text.slice(0, 4000)}… (${text.length} characters)` : text;
}
