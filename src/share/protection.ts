import { lstatSync, statSync } from 'node:fs';
import type { PathComponent } from '../config/path-components.ts';
import { identityOf, pathComponents } from '../config/path-components.ts';

/**
 * Files of the host that a guest may read and not change, and all that leads to them. They are looked for each time: who
 * edits a file on the host often puts a new one in its place.
 */
export class Protection {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** Whether what is at a path of the gate is one of the files, by whatever name. */
  coversFile(path: Buffer): boolean {
    return this.#covers(() => {
      const file = identityOf(statSync(path, { bigint: true }));
      return (point) => point.file === file;
    });
  }

  /** Whether a name in a directory leads to one of the files, or would, were there anything by it. */
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
    // there is nothing, or the name is none: the server will say so
    return undefined;
  }
}

function nameOf(path: string): Buffer {
  return Buffer.from(path.slice(path.lastIndexOf('/') + 1));
}
