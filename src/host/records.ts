import { readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { runtimeBases } from './run-directory.ts';

/** The run directories of all processes of this user, wherever its sessions put them. */
export async function runDirectories(environment: NodeJS.ProcessEnv): Promise<string[]> {
  const bases = await runtimeBases(environment);
  const runs = await Promise.all(
    bases.map(async (base) =>
      (await namesIn(base)).filter((name) => name.startsWith('run-')).map((name) => join(base, name)),
    ),
  );
  return runs.flat();
}

export async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

/** In one step, so that no reader finds half of it. */
export async function writeRecord(directory: string, name: string, record: unknown): Promise<void> {
  const written = join(directory, `.${name}`);
  await writeFile(written, JSON.stringify(record), { mode: 0o600 });
  await rename(written, join(directory, name));
}

export async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
