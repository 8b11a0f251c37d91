import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { errorCode } from '../problem.ts';

/** Opens a file only to name it (open(2), O_PATH); Node does not know its number, which is the same on all Linux. */
const O_PATH = 0o10000000;
const PLACE = O_PATH | constants.O_NOFOLLOW;
const DIRECTORY = PLACE | constants.O_DIRECTORY;

/** The longest path (Linux, `PATH_MAX`), in bytes. */
const LONGEST = 4096;

/** What is wrong with a path: the word of the system. */
export class NoSuchPlace extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * A path that another process can open and that leads nowhere but to the place which was found: it names an open file
 * of ours (proc(5), `/proc/PID/fd`). Good until it is released.
 */
export interface Place {
  readonly path: Buffer;
  readonly release: () => void;
}

/** A file of a known directory that is there; `isFile` and `isDirectory` tell what it is. */
export interface FoundPlace extends Place {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/**
 * The inside of one directory. Paths begin at it, whatever they begin with, and no link is followed on the way, so that
 * there is no way out, also not for whoever changes the directory meanwhile.
 */
export class Confined {
  readonly #root: number;
  #isOpen = true;
  readonly #descriptors = `/proc/${process.pid}/fd/`;

  constructor(directory: string) {
    this.#root = openSync(directory, O_PATH | constants.O_DIRECTORY);
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#root);
    this.#isOpen = false;
  }

  /** The place of a name in its directory, whether there is anything by it or not. */
  entry(path: Buffer): Place {
    const names = namesOf(path);
    const [name = Buffer.from('.')] = names.splice(-1);
    const parent = this.#descend(names);
    return {
      path: Buffer.concat([this.#named(parent), Buffer.from('/'), name]),
      release: () => this.#release(parent),
    };
  }

  /** What is at a path; a link is refused. */
  found(path: Buffer): FoundPlace {
    const names = namesOf(path);
    const [name] = names.splice(-1);
    const parent = this.#descend(names);
    try {
      const descriptor = name === undefined ? this.#root : this.#open(parent, name, PLACE);
      const stats = fstatSync(descriptor);
      if (stats.isSymbolicLink()) {
        this.#release(descriptor);
        throw new NoSuchPlace('ELOOP');
      }
      return {
        path: this.#named(descriptor),
        isFile: stats.isFile(),
        isDirectory: stats.isDirectory(),
        release: () => this.#release(descriptor),
      };
    } finally {
      if (name !== undefined) this.#release(parent);
    }
  }

  #descend(names: readonly Buffer[]): number {
    let directory = this.#root;
    for (const name of names) {
      try {
        const next = this.#open(directory, name, DIRECTORY);
        this.#release(directory);
        directory = next;
      } catch (error) {
        this.#release(directory);
        throw error;
      }
    }
    return directory;
  }

  #open(directory: number, name: Buffer, flags: number): number {
    try {
      return openSync(Buffer.concat([this.#named(directory), Buffer.from('/'), name]), flags);
    } catch (error) {
      throw new NoSuchPlace(errorCode(error) ?? 'EIO');
    }
  }

  #named(descriptor: number): Buffer {
    return Buffer.from(`${this.#descriptors}${descriptor}`);
  }

  #release(descriptor: number): void {
    if (descriptor !== this.#root) closeSync(descriptor);
  }
}

/** A path as the inside knows it: from its root on, without detours. */
export function absolute(path: Buffer): Buffer {
  const names = namesOf(path).flatMap((name) => [Buffer.from('/'), name]);
  return names.length === 0 ? Buffer.from('/') : Buffer.concat(names);
}

/** The names of a path, in which `..` leads up to the root and no further. */
function namesOf(path: Buffer): Buffer[] {
  if (path.length > LONGEST) throw new NoSuchPlace('ENAMETOOLONG');
  const names: Buffer[] = [];
  // latin1 keeps every byte as one character: names need not be UTF-8
  for (const name of path.toString('latin1').split('/')) {
    if (name.includes('\0')) throw new NoSuchPlace('ENOENT');
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(Buffer.from(name, 'latin1'));
  }
  return names;
}
