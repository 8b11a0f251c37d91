import { closeSync, constants, openSync } from 'node:fs';
import { errorCode } from '../problem.ts';

/** Opens a file only as a reference (open(2), O_PATH); Node lacks the constant, which is the same on all Linux platforms. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY;

/** Errors of open(2) for a name that is no directory: missing, something else, or a link. */
const NO_DIRECTORY: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * A directory held open, so that its entries can be reached through its descriptor (proc(5), `/proc/self/fd`) without
 * following links, even if one is created concurrently. Names are bytes, which need not be UTF-8.
 */
export class HeldDirectory implements Disposable {
  readonly #descriptor: number;
  #isOpen = true;

  private constructor(path: string | Buffer, flags: number) {
    this.#descriptor = openSync(path, flags);
  }

  /** Opens a path of the user, following links. */
  static at(path: string): HeldDirectory {
    return new HeldDirectory(path, DIRECTORY);
  }

  /** Opens a subdirectory; anything else, including a link, is an error. */
  below(name: Buffer): HeldDirectory {
    return new HeldDirectory(this.entry(name), DIRECTORY | constants.O_NOFOLLOW);
  }

  /** Opens a subdirectory; undefined if there is none. */
  find(name: Buffer): HeldDirectory | undefined {
    try {
      return this.below(name);
    } catch (error) {
      if (NO_DIRECTORY.has(errorCode(error))) return undefined;
      throw error;
    }
  }

  /** Path of the directory for system calls of this process. */
  get path(): Buffer {
    return Buffer.from(`/proc/self/fd/${this.#descriptor}`);
  }

  /** Path of an entry for system calls of this process that do not follow a final link. */
  entry(name: Buffer): Buffer {
    return Buffer.concat([this.path, Buffer.from('/'), name]);
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
