import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from '../host/abort.ts';
import { trace } from '../host/trace.ts';
import type { Answer } from '../transfer/far.ts';

/**
 * The conversation with the builder's init (init-script.ts) on its control port: one request at a time, each answered by
 * a line. Rejects what waits when the machine ends.
 */
export class Link {
  readonly #port: Duplex;
  readonly #lost: Promise<never>;
  /** Who waits for lines, in the order in which they asked: an answer that comes too late is still that one's. */
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #early: string[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(port: Duplex, lost: Promise<never>) {
    this.#port = port;
    this.#lost = lost;
    lost.catch(() => undefined);
    port.on('error', () => undefined);
    createInterface({ input: port }).on('line', (line) => {
      trace('debug', () => `builder < ${line.slice(0, 200)}`);
      const next = this.#waiting.shift();
      if (next) next(line);
      else this.#early.push(line);
    });
  }

  /** Waits until the builder's init answers. */
  async ready(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#line(), signal);
  }

  /** Sends a request and returns the answer; when it is aborted, the builder may still be at it. */
  async request(words: readonly string[], signal: AbortSignal): Promise<Answer> {
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

/** A script as the last words of a request, as `printf %b` reads it: all on one line. */
export function coded(script: string): string {
  return script.trim().replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
