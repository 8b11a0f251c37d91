import { styleText } from 'node:util';
import type { GuestOutput, OutputOf } from '../plan/executor.ts';

const COLORS = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'red'] as const;

/** A line longer than this is streamed while all others wait for its end, in bytes. */
const LONG_LINE = 64 * 1024;

/** When this much output waits for the end of a line, the line is broken, in bytes. */
const MOST_WAITING = 1024 * 1024;

/** Sink for bytes. */
type Write = (bytes: Buffer) => void;

/** One of our output streams, and whether it shows colours. */
export interface Outlet {
  readonly write: Write;
  readonly color: boolean;
}

/**
 * Multiplexes the output of guests onto stdout and stderr: whole lines, each prefixed with the name of its VM. Output of a
 * single VM is passed on unchanged. `names` returns the current VMs.
 */
export function guestOutputs(names: () => readonly string[], out: Outlet, err: Outlet): OutputOf {
  const streams = [out, err].map(({ write, color }) => ({ lines: new Lines(write), color }));
  return (vm) => {
    const vms = names();
    if (vms.length < 2) return { stdout: out.write, stderr: err.write, end: () => undefined };
    const paint = COLORS[vms.indexOf(vm) % COLORS.length] ?? 'cyan';
    const width = Math.max(...vms.map((one) => one.length));
    const name = `${vm.padEnd(width)} | `;
    const prefix = (color: boolean): Buffer =>
      Buffer.from(color ? styleText(paint, name, { validateStream: false }) : name);
    const [stdout, stderr] = streams.map(({ lines, color }) => lines.from(prefix(color))) as [Source, Source];
    return {
      stdout: (chunk) => stdout.take(chunk),
      stderr: (chunk) => stderr.take(chunk),
      end: () => [stdout, stderr].forEach((source) => source.end()),
    } satisfies GuestOutput;
  };
}

const NEWLINE = 0x0a;

/** A stream to which several sources write whole lines. */
class Lines {
  readonly #write: Write;
  /** Source whose incomplete line is being shown; other sources wait. */
  #owner: Source | undefined;
  readonly #waiting: Buffer[] = [];
  #size = 0;

  constructor(write: Write) {
    this.#write = write;
  }

  from(prefix: Buffer): Source {
    return new Source(this, prefix);
  }

  /** Writes bytes of a source; `ends` means that they complete a line. */
  show(source: Source, bytes: Buffer, ends: boolean): void {
    if (this.#owner !== undefined && this.#owner !== source) {
      // an incomplete line of another source ends first; a second long line is buffered whole
      this.#waiting.push(bytes);
      this.#size += bytes.length;
      if (this.#size > MOST_WAITING) this.#breakLine();
      return;
    }
    this.#write(bytes);
    this.#owner = ends ? undefined : source;
    if (ends) this.#showWaiting();
  }

  /** Breaks a line that blocks too much output of others. */
  #breakLine(): void {
    this.#write(Buffer.from([NEWLINE]));
    this.#owner = undefined;
    this.#showWaiting();
  }

  #showWaiting(): void {
    this.#size = 0;
    this.#waiting.splice(0).forEach((line) => this.#write(line));
  }

  /** Whether a source may start streaming an incomplete line. */
  isFree(source: Source): boolean {
    return this.#owner === undefined || this.#owner === source;
  }
}

/** Assembles lines from the output of one guest. */
class Source {
  readonly #lines: Lines;
  readonly #prefix: Buffer;
  #pending: Buffer[] = [];
  #size = 0;
  #isShowing = false;

  constructor(lines: Lines, prefix: Buffer) {
    this.#lines = lines;
    this.#prefix = prefix;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
      this.#add(rest.subarray(0, at + 1));
      this.#flush(true);
      rest = rest.subarray(at + 1);
    }
    if (rest.length > 0) this.#add(rest);
    if (this.#size > LONG_LINE && this.#lines.isFree(this)) this.#flush(false);
  }

  end(): void {
    if (this.#size === 0 && !this.#isShowing) return;
    this.#add(Buffer.from([NEWLINE]));
    this.#flush(true);
  }

  #add(bytes: Buffer): void {
    // the reader may reuse the chunk
    this.#pending.push(Buffer.from(bytes));
    this.#size += bytes.length;
  }

  #flush(ends: boolean): void {
    const begin = this.#isShowing ? [] : [this.#prefix];
    this.#lines.show(this, Buffer.concat([...begin, ...this.#pending]), ends);
    this.#pending = [];
    this.#size = 0;
    this.#isShowing = !ends;
  }
}
