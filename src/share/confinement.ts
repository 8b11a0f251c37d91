import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { errorCode } from '../problem.ts';

/**
 * O_PATH (open(2)): opens a file only as a reference; missing in Node's constants, and the same on all Linux
 * architectures.
 */
const O_PATH = 0o10000000;
const PLACE = O_PATH | constants.O_NOFOLLOW;
const DIRECTORY = PLACE | constants.O_DIRECTORY;

/** Maximum path length (Linux, `PATH_MAX`), in bytes. */
const LONGEST = 4096;

/** Error of a path, with the system's error code. */
export class NoSuchPlace extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * A path that another process can open and that cannot be redirected: it refers to an open file of ours (proc(5),
 * `/proc/PID/fd`). Valid until released.
 */
export interface ConfinedPlace {
  readonly path: Buffer;
  readonly release: () => void;
}

/** An existing file in an opened directory, with its type. */
export interface FoundPlace extends ConfinedPlace {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/**
 * Access confined to one directory. All paths are relative to it, and no link is followed, so that nothing leads
 * outside, even if the directory is changed concurrently.
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

  /** Place of a name in its directory, whether or not it exists. */
  entry(path: Buffer): ConfinedPlace {
    const names = namesOf(path);
    const [name = Buffer.from('.')] = names.splice(-1);
    const parent = this.#descend(names);
    return {
      path: Buffer.concat([this.#named(parent), Buffer.from('/'), name]),
      release: () => this.#release(parent),
    };
  }

  /** Opens an existing file; rejects a link. */
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

/** Normalizes a path as absolute below the root. */
export function absolute(path: Buffer): Buffer {
  const names = namesOf(path).flatMap((name) => [Buffer.from('/'), name]);
  return names.length === 0 ? Buffer.from('/') : Buffer.concat(names);
}

/** Components of a path; `..` stops at the root. */
function namesOf(path: Buffer): Buffer[] {
  if (path.length > LONGEST) throw new NoSuchPlace('ENAMETOOLONG');
  const names: Buffer[] = [];
  // latin1 preserves every byte as one character: names need not be UTF-8
  for (const name of path.toString('latin1').split('/')) {
    if (name.includes('\0')) throw new NoSuchPlace('ENOENT');
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(Buffer.from(name, 'latin1'));
  }
  return names;
}
