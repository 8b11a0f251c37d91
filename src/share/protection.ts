import { lstatSync, statSync } from 'node:fs';
import type { PathComponent } from '../config/path-components.ts';
import { identityOf, pathComponents } from '../config/path-components.ts';

/**
 * Files of the host that a guest may read but not modify, and all directories that lead to them. Resolved on each
 * request: editors often replace a file by a new one.
 */
export class Protection {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** Whether the file at a path of the gate is one of them, under any name. */
  coversFile(path: Buffer): boolean {
    return this.#covers(() => {
      const file = identityOf(statSync(path, { bigint: true }));
      return (point) => point.file === file;
    });
  }

  /** Whether a name in a directory leads to one of them, or would if it existed. */
  coversEntry(path: Buffer): boolean {
    return this.#covers(() => {
      const slash = path.lastIndexOf('/');
      const name = path.subarray(slash + 1);
      const directory = identityOf(statSync(path.subarray(0, slash), { bigint: true }));
      const file = fileAt(path);
      return (point) =>
        (file !== undefined && point.file === file) ||
        (point.directory === directory && nameOf(point.path).equals(name));
    });
  }

  #covers(look: () => (point: PathComponent) => boolean): boolean {
    return this.#paths.length > 0 && this.#paths.flatMap(pathComponents).some(look());
  }
}

function fileAt(path: Buffer): string | undefined {
  try {
    return identityOf(lstatSync(path, { bigint: true }));
  } catch {
    // it does not exist, or the name is invalid: the server reports that
    return undefined;
  }
}

function nameOf(path: string): Buffer {
  return Buffer.from(path.slice(path.lastIndexOf('/') + 1));
}
