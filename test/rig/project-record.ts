import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Path of the record of the only detached project below a runtime directory. */
export function projectRecord(runtime: string): string {
  const directory = join(runtime, 'transient');
  const [path] = readdirSync(directory)
    .map((name) => join(directory, name, 'project.json'))
    .filter((one) => existsSync(one));
  if (path === undefined) throw new Error(`no detached project below ${runtime}`);
  return path;
}

/** Lets the supervisor of a detached project pass for one of another version; returns a function that undoes it. */
export function withProtocol(runtime: string, protocol: number): () => void {
  const path = projectRecord(runtime);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, JSON.stringify({ ...(JSON.parse(text) as object), protocol }));
  return () => writeFileSync(path, text);
}
