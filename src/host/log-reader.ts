import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { LogPlace } from './log-place.ts';
import { openPrevious } from './log-place.ts';

/** Read buffer size, in bytes. */
const PIECE = 64 * 1024;

/** Reads a growing log from its beginning, also across rotation (log-cap.ts). */
export class LogReader {
  readonly #place: LogPlace;
  readonly #file: number;
  /** Descriptor of the older part while it is read. */
  #previous: number | undefined;
  #position = 0;

  /** Opens the log or throws. With `older` it begins with the older part, if any. */
  constructor(place: LogPlace, { older = false }: { readonly older?: boolean } = {}) {
    this.#place = place;
    this.#file = openSync(place.path, 'r');
    if (older) this.#previous = openPrevious(place);
  }

  /** The next chunk; undefined if there is none yet. */
  read(): Buffer | undefined {
    if (this.#previous === undefined && fstatSync(this.#file).size < this.#position) this.#goBack();
    if (this.#previous !== undefined) {
      const piece = this.#readFrom(this.#previous);
      if (piece !== undefined) return piece;
      this.#leavePrevious();
    }
    return this.#readFrom(this.#file);
  }

  close(): void {
    this.#leavePrevious();
    closeSync(this.#file);
  }

  /** Handles rotation, detected by the log being shorter than the position: continues in the older part. */
  #goBack(): void {
    this.#previous = openPrevious(this.#place);
    if (this.#previous === undefined) this.#position = 0;
  }

  #leavePrevious(): void {
    if (this.#previous === undefined) return;
    closeSync(this.#previous);
    this.#previous = undefined;
    this.#position = 0;
  }

  #readFrom(file: number): Buffer | undefined {
    const buffer = Buffer.alloc(PIECE);
    const count = readSync(file, buffer, 0, PIECE, this.#position);
    this.#position += count;
    return count === 0 ? undefined : buffer.subarray(0, count);
  }
}
