import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from '../host/abort.ts';
import { eachLine } from '../host/lines.ts';
import { TransientError } from '../problem.ts';
import { trace } from '../host/trace.ts';
import type { ScriptResult } from '../transfer/guest-shell.ts';

/** Maximum length of an answer, in bytes: our init sends at most 64 KiB of each stream. */
const LONGEST = 1024 * 1024;
const MOST_EARLY = 16;

/**
 * Client for the builder's init (init-script.ts) on its control port: one request at a time, each answered by a line.
 * Pending requests reject when the machine ends.
 */
export class ControlChannel {
  readonly #port: Duplex;
  readonly #lost: Promise<never>;
  /** Readers waiting for lines, in order of their requests: a late answer still belongs to its own request. */
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #early: string[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(port: Duplex, lost: Promise<never>) {
    this.#port = port;
    port.on('error', () => undefined);
    const endless = new Promise<never>((_resolve, reject) => {
      eachLine(
        port,
        LONGEST,
        (line) => this.#take(line),
        () => reject(endlessLine()),
      );
    });
    this.#lost = Promise.race([lost, endless]);
    this.#lost.catch(() => undefined);
  }

  #take(line: string): void {
    trace('debug', () => `builder < ${line.slice(0, 200)}`);
    const next = this.#waiting.shift();
    if (next) next(line);
    // several unrequested lines cannot be from our init
    else if (this.#early.length < MOST_EARLY) this.#early.push(line);
  }

  /** Waits for the builder's init to answer. */
  async ready(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#line(), signal);
  }

  /** Sends a request and returns the answer; after an abort the builder may still be working on it. */
  async request(words: readonly string[], signal: AbortSignal): Promise<ScriptResult> {
    signal.throwIfAborted();
    const line = words.join(' ');
    trace('debug', () => `builder > ${line.slice(0, 200)}`);
    this.#port.write(`${line}\n`);
    const answer = this.#line();
    this.#last = answer;
    const [, code = '', stdout = '', stderr = ''] = (await unlessAborted(answer, signal)).split(' ');
    return { code: Number(code), stdout: decoded(stdout), stderr: decoded(stderr) };
  }

  /** Whether the builder has answered all requests, or does so within `patience` milliseconds. */
  async isIdle(patience: number): Promise<boolean> {
    const answered = this.#last.then(
      () => true,
      () => false,
    );
    return Promise.race([answered, delay(patience, false, { ref: false })]);
  }

  async #line(): Promise<string> {
    const early = this.#early.shift();
    if (early !== undefined) return early;
    const line = new Promise<string>((resolve) => this.#waiting.push(resolve));
    return Promise.race([line, this.#lost]);
  }
}

function decoded(text: string): string {
  return text === '-' ? '' : Buffer.from(text, 'base64').toString();
}

function endlessLine(): TransientError {
  return new TransientError({
    reason: 'machine',
    message: `the builder VM sent more than ${LONGEST / 1024} KiB in one line on its control port`,
    hint: 'the disk or the builder kernel may be the cause: try --direct-copy',
  });
}
