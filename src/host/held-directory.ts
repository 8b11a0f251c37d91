import { closeSync, constants, openSync } from 'node:fs';
import { errorCode } from '../problem.ts';

/** Opens a file only to name it (open(2), O_PATH); Node does not know its number, which is the same on all Linux. */
const O_PATH = 0o10000000;
const DIRECTORY = O_PATH | constants.O_DIRECTORY;

/** What open(2) answers where there is no directory by a name: nothing, something else, or a link. */
const NO_DIRECTORY: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * A directory that is held open, so that what lies in it can be named by way of its descriptor (proc(5), `/proc/self/fd`):
 * no link is followed on the way there, also not one that is put there a moment later. Names are bytes, which need not be
 * UTF-8.
 */
export class HeldDirectory implements Disposable {
  readonly #descriptor: number;
  #isOpen = true;

  private constructor(path: string | Buffer, flags: number) {
    this.#descriptor = openSync(path, flags);
  }

  /** By a path whose links are followed: it is the user's own. */
  static at(path: string): HeldDirectory {
    return new HeldDirectory(path, DIRECTORY);
  }

  /** A directory in this one; anything else by that name is an error, a link too. */
  below(name: Buffer): HeldDirectory {
    return new HeldDirectory(this.entry(name), DIRECTORY | constants.O_NOFOLLOW);
  }

  /** The same, undefined where there is no directory by that name. */
  find(name: Buffer): HeldDirectory | undefined {
    try {
      return this.below(name);
    } catch (error) {
      if (NO_DIRECTORY.has(errorCode(error))) return undefined;
      throw error;
    }
  }

  /** The directory itself, for system calls of this process. */
  get path(): Buffer {
    return Buffer.from(`/proc/self/fd/${this.#descriptor}`);
  }

  /** A name in it, for system calls of this process that do not follow a link at the end of a path. */
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
