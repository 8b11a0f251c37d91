import { statfs } from 'node:fs/promises';
import type { Reason } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { linked } from './deadline.ts';

/** A disk with less than this is full, in bytes. */
const FULL = 1 << 20;

/** Interval between checks of free space during writes, in milliseconds. */
const INTERVAL = 1000;

/** Purpose of the space, for messages. */
export interface SpaceUse {
  readonly reason: Reason;
  /** Subject of the message that something is too large. */
  readonly what: string;
  readonly hint: string;
  /** Bytes of a filesystem of the given size to keep free; none by default. */
  readonly reserve?: (size: number) => number;
}

/** Error for insufficient space. */
export class NoSpace extends TransientError {}

/** Limits received data to the disk space that was free at the start: small input can expand to any amount. */
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

  /** Reserves bytes, holes included, since a sparse file can grow to its full size. */
  claim(bytes: number): void {
    this.#claimed += bytes;
    this.mustHold(this.#claimed);
  }

  /** Throws if an amount does not fit. */
  mustHold(bytes: number): void {
    if (bytes > this.#free) throw this.#exceeded();
  }

  /** Throws if the disk is full, after a failed write. */
  async mustHaveRoom(): Promise<void> {
    const least = this.#use.reserve === undefined ? FULL : 0;
    if ((await spaceIn(this.#directory, this.#use)) < least) throw this.#exceeded();
  }

  /** Runs work that writes to the disk; its signal is aborted when the disk becomes full. */
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

/** Usable space in bytes; negative if part of the reserve is in use. */
async function spaceIn(directory: string, { reserve = () => 0 }: SpaceUse): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return bavail * bsize - Math.ceil(reserve(blocks * bsize));
}
