import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from '../host/abort.ts';
import { eachLine } from '../host/lines.ts';
import { TransientError } from '../problem.ts';
import { trace } from '../host/trace.ts';
import type { ScriptResult } from '../transfer/guest-shell.ts';

/** A longer answer is none of our init's, which sends 64 KiB of each stream at most, in bytes. */
const LONGEST = 1024 * 1024;
const MOST_EARLY = 16;

/**
 * The conversation with the builder's init (init-script.ts) on its control port: one request at a time, each answered by
 * a line. Rejects what waits when the machine ends.
 */
export class ControlChannel {
  readonly #port: Duplex;
  readonly #lost: Promise<never>;
  /** Who waits for lines, in the order in which they asked: an answer that comes too late is still that one's. */
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
    // more than a few that nobody has asked for are none of our init's
    else if (this.#early.length < MOST_EARLY) this.#early.push(line);
  }

  /** Waits until the builder's init answers. */
  async ready(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#line(), signal);
  }

  /** Sends a request and returns the answer; when it is aborted, the builder may still be at it. */
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

  /** Whether the builder has answered all that it was asked, or does so within so many milliseconds. */
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
    hint: 'the disk or the builder kernel may be to blame: try --direct-copy',
  });
}
