import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TransientError, systemMessage } from '../problem.ts';
import { junitXml } from './junit.ts';
import type { RunReport } from './run-report.ts';

/** A file that tells how a run came out, and in which form. */
interface ReportFile {
  readonly form: 'junit' | 'json';
  readonly path: string;
}

/**
 * Writes the reports of a run that is about to begin, as one that has not ended: what cannot be written is told before
 * anything is done, and what lies there afterwards is never of an earlier run. A pipe is told the end alone.
 */
export async function writeUnfinished(files: readonly ReportFile[], report: RunReport): Promise<void> {
  for (const file of files) {
    if (await isStream(file.path)) continue;
    await written(file.path, async () => mkdir(dirname(file.path), { recursive: true }));
    await write(file, report);
  }
}

export async function writeReports(files: readonly ReportFile[], report: RunReport): Promise<void> {
  for (const file of files) await write(file, report);
}

async function write({ form, path }: ReportFile, report: RunReport): Promise<void> {
  const text = form === 'junit' ? junitXml(report) : `${JSON.stringify(report, undefined, 2)}\n`;
  await written(path, async () => writeFile(path, text));
}

async function written(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw new TransientError({
      reason: 'host',
      message: `cannot write the report ${path}: ${systemMessage(error)}`,
      hint: 'name a file that you may write with --report',
    });
  }
}

async function isStream(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    return found.isFIFO() || found.isCharacterDevice() || found.isSocket();
  } catch {
    return false;
  }
}
