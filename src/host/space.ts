import { statfs } from 'node:fs/promises';
import type { Reason } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { linked } from './deadline.ts';

/** A disk with less than this is full, in bytes. */
const FULL = 1 << 20;

/** How often the disk is looked at while something is written, in milliseconds. */
const INTERVAL = 1000;

/** What takes space, in the words of a message. */
export interface SpaceUse {
  readonly reason: Reason;
  /** What is too large, as the subject of the message. */
  readonly what: string;
  readonly hint: string;
  /** How much of a filesystem of some size is to stay free, in bytes; nothing where it is not given. */
  readonly reserve?: (size: number) => number;
}

/** There is not enough space. */
export class NoSpace extends TransientError {}

/** Keeps what others send within the disk space that was free when it began: little can hold any amount. */
export class Space {
  readonly #directory: string;
  readonly #use: SpaceUse;
  readonly #free: number;
  #claimed = 0;

  private constructor(directory: string, use: SpaceUse, free: number) {
    this.#directory = directory;
    this.#use = use;
    this.#free = free;
  }

  static async in(directory: string, use: SpaceUse): Promise<Space> {
    return new Space(directory, use, Math.max(0, await spaceIn(directory, use)));
  }

  /** Takes so many bytes, holes included: how large a file says it is, is what it can grow to. */
  claim(bytes: number): void {
    this.#claimed += bytes;
    this.mustHold(this.#claimed);
  }

  /** Refuses an amount that does not fit. */
  mustHold(bytes: number): void {
    if (bytes > this.#free) throw this.#exceeded();
  }

  /** Refuses to go on where the disk has become full, after something that wrote to it has failed. */
  async mustHaveRoom(): Promise<void> {
    const least = this.#use.reserve === undefined ? FULL : 0;
    if ((await spaceIn(this.#directory, this.#use)) < least) throw this.#exceeded();
  }

  /** Does some work that writes to the disk; its signal is aborted when the disk becomes full. */
  async guard<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using scope = linked(signal);
    const look = (): void => {
      this.mustHaveRoom().catch((error: unknown) => error instanceof NoSpace && scope.abort(error));
    };
    const timer = setInterval(look, INTERVAL);
    try {
      return await work(scope.signal);
    } finally {
      clearInterval(timer);
    }
  }

  #exceeded(): NoSpace {
    const { reason, what, hint, reserve } = this.#use;
    const gigabytes = (this.#free / 1e9).toFixed(this.#free < 1e9 ? 3 : 1);
    const may = reserve === undefined ? 'are free' : 'may be filled';
    return new NoSpace({
      reason,
      message: `${what} is larger than the ${gigabytes} GB (${this.#free} bytes) that ${may} in ${this.#directory}`,
      hint,
    });
  }
}

/** How much there is to be used, in bytes; below 0 where some of the reserve is in use. */
async function spaceIn(directory: string, { reserve = () => 0 }: SpaceUse): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return bavail * bsize - Math.ceil(reserve(blocks * bsize));
}
