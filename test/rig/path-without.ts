import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Makes a directory that can be `PATH`: it has every program of the present one but these. */
export function pathWithout(directory: string, path: string, ...programs: readonly string[]): string {
  mkdirSync(directory);
  const excluded = new Set(programs);
  for (const from of path.split(delimiter)) {
    for (const name of programsIn(from)) {
      if (excluded.has(name)) continue;
      excluded.add(name);
      symlinkSync(join(from, name), join(directory, name));
    }
  }
  return directory;
}

function programsIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // PATH may name what is not there
    return [];
  }
}
