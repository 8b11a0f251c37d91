import { statfs } from 'node:fs/promises';
import { TransientError } from '../../problem.ts';

/** A disk with less than this is full, in bytes. */
const FULL = 1 << 20;

/** Keeps what is unpacked within the disk space that was free when it began: a small archive can hold any amount. */
export class Space {
  readonly #directory: string;
  readonly #free: number;
  #claimed = 0;

  private constructor(directory: string, free: number) {
    this.#directory = directory;
    this.#free = free;
  }

  static async in(directory: string): Promise<Space> {
    const { bavail, bsize } = await statfs(directory);
    return new Space(directory, bavail * bsize);
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
    const { bavail, bsize } = await statfs(this.#directory);
    if (bavail * bsize < FULL) throw this.#exceeded();
  }

  #exceeded(): TransientError {
    const gigabytes = (this.#free / 1e9).toFixed(this.#free < 1e9 ? 3 : 1);
    return new TransientError({
      reason: 'image',
      message: `the image is larger than the ${gigabytes} GB (${this.#free} bytes) that are free in ${this.#directory}`,
      hint: 'free some space or choose another place with --image-backend; if it should be small, do not trust it',
    });
  }
}
