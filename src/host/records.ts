import { readFileSync, readdirSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { runtimeBases } from './run-directory.ts';

/** The run directories of all processes of this user, wherever its sessions put them. */
export function runDirectories(environment: NodeJS.ProcessEnv): string[] {
  return runtimeBases(environment).flatMap((base) =>
    namesIn(base)
      .filter((name) => name.startsWith('run-'))
      .map((name) => join(base, name)),
  );
}

// what is read here is small, and read by commands that need node:fs/promises, which takes time to load, for nothing else
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** In one step, so that no reader finds half of it. */
export async function writeRecord(directory: string, name: string, record: unknown): Promise<void> {
  const written = join(directory, `.${name}`);
  await writeFile(written, JSON.stringify(record), { mode: 0o600 });
  await rename(written, join(directory, name));
}

export function readRecord<T>(path: string, schema: () => z.ZodType<T>): T | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return schema().safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
