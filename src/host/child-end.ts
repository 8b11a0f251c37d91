import { Stream } from 'node:stream';
import type { Readable, Writable } from 'node:stream';
import { patience } from './deadline.ts';
import type { Exit } from './exit.ts';
import { onEarlyExit } from './last-resort.ts';
import { descendantsOf } from './process-tree.ts';

/** Processes that a signal to a child reaches: itself, its process group, or itself and its descendants. */
export type Reach = 'process' | 'group' | 'tree';

/** An execa child: a process, and a promise for its exit and the end of its pipes. */
interface Started extends PromiseLike<{ exitCode?: number | undefined; signal?: string | undefined }> {
  readonly pid?: number | undefined;
  readonly stdio: readonly unknown[];
  readonly once: (
    event: 'exit',
    listener: (code: number | null, signal: NodeJS.Signals | null) => void,
  ) => unknown;
}

/**
 * End of a child. A child that exits by itself has ended when its pipes have, so that no output is lost. One that we
 * terminate has ended with its process: another process may keep its pipes open indefinitely, as an ssh master does that
 * waits for a guest.
 */
export class ChildEnd {
  /** Never rejects. */
  readonly exited: Promise<Exit>;
  readonly #child: Started;
  readonly #reach: Reach;
  readonly #pipes: readonly (Readable | Writable)[];
  #exit: Exit | undefined;
  #isEnding = false;
  #isOver = false;
  /** Its descendants when it was terminated; their parent may have exited when they are killed. */
  #started: readonly number[] = [];
  #release: (exit: Exit) => void = () => undefined;

  /** `signal` terminates the child; `pipes` are further streams that end when the child has been ended. */
  constructor(
    child: Started,
    {
      reach,
      signal,
      pipes = [],
    }: { reach: Reach; signal?: AbortSignal | undefined; pipes?: readonly Readable[] },
  ) {
    this.#child = child;
    this.#reach = reach;
    this.#pipes = [...pipes, ...child.stdio.filter(isPipe)];
    const forget = onEarlyExit(() => this.#send('SIGKILL'));
    const abort = (): void => this.terminate();
    const settled = Promise.resolve(child).then(({ exitCode: code, signal: name }) => ({
      code,
      signal: name,
    }));
    const released = new Promise<Exit>((resolve) => (this.#release = resolve));
    child.once('exit', (code, name) => {
      this.#exit = { code: code ?? undefined, signal: name ?? undefined };
      if (this.#isEnding) this.#dropPipes(this.#exit);
    });
    this.exited = Promise.race([settled, released]).finally(() => {
      this.#isOver = true;
      signal?.removeEventListener('abort', abort);
      forget();
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  }

  /** Sends SIGTERM, and SIGKILL if it does not exit. */
  terminate(): void {
    this.kill('SIGTERM');
    if (this.#exit !== undefined) return;
    const timer = setTimeout(() => this.kill('SIGKILL'), patience('program-end'));
    this.#child.once('exit', () => clearTimeout(timer));
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#isOver) return;
    this.#isEnding = true;
    if (this.#exit === undefined) this.#send(signal);
    else this.#dropPipes(this.#exit);
  }

  #dropPipes(exit: Exit): void {
    // processes left in the group of a script are not needed
    if (this.#reach !== 'process') this.#send('SIGKILL');
    setTimeout(() => {
      for (const pipe of this.#pipes) pipe.destroy();
      this.#release(exit);
    }, patience('program-output'));
  }

  #send(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (this.#reach === 'tree' && this.#exit === undefined) this.#started = descendantsOf(pid);
    const first = this.#reach === 'group' ? -pid : pid;
    for (const target of this.#exit === undefined || first < 0 ? [first, ...this.#started] : this.#started) {
      try {
        process.kill(target, signal);
      } catch {
        // it has exited
      }
    }
  }
}

function isPipe(stream: unknown): stream is Readable | Writable {
  return stream instanceof Stream;
}
