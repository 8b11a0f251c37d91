import { readFileSync, readdirSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { runtimeBases } from './run-directory.ts';

/** Run directories of all processes of this user, in all possible places. */
export function runDirectories(environment: NodeJS.ProcessEnv): string[] {
  return runtimeBases(environment).flatMap((base) =>
    namesIn(base)
      .filter((name) => name.startsWith('run-'))
      .map((name) => join(base, name)),
  );
}

// synchronous, since loading node:fs/promises takes time and the commands that read these small files need it for nothing else
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Writes a record atomically. */
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
