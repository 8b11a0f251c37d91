import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Problem } from '../problem.ts';
import { TransientError, errorCode, problemOf, systemMessage } from '../problem.ts';
import { junitXml } from './junit.ts';
import type { ReportFile } from './report-file.ts';
import type { RunReport } from './run-report.ts';

/** An open report file; a pipe is opened only at the end. */
interface Begun extends ReportFile {
  readonly file: FileHandle | undefined;
}

/** The reports of one run. */
export class ReportFiles {
  readonly #begun: readonly Begun[];

  private constructor(begun: readonly Begun[]) {
    this.#begun = begun;
  }

  /**
   * Writes the reports of a run that is about to begin, as one that has not ended: what cannot be written is told before
   * anything is done, and what lies there afterwards is never of an earlier run. The files stay open: a guest that can
   * write where they lie leads us nowhere else.
   */
  static async begin(files: readonly ReportFile[], report: RunReport): Promise<ReportFiles> {
    const begun: Begun[] = [];
    for (const one of files) {
      const file = (await isStream(one.path)) ? undefined : await opened(one.path, textOf(one, report));
      begun.push({ ...one, file });
    }
    return new ReportFiles(begun);
  }

  /** Rewrites them with the final result; returns problems with files that could not be written. */
  async end(report: RunReport): Promise<Problem[]> {
    const problems: Problem[] = [];
    for (const { file, ...one } of this.#begun) {
      const text = textOf(one, report);
      await (file === undefined ? writeFile(one.path, text) : written(file, text)).catch((error: unknown) =>
        problems.push(problemOf(unwritable(one.path, error))),
      );
    }
    return problems;
  }
}

function textOf({ form }: ReportFile, report: RunReport): string {
  return form === 'junit' ? junitXml(report) : `${JSON.stringify(report, undefined, 2)}\n`;
}

async function opened(path: string, text: string): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o644);
    await file.writeFile(text);
    return file;
  } catch (error) {
    throw unwritable(path, error);
  }
}

async function written(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  await file.truncate(0);
  for (let at = 0; at < bytes.length;)
    at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
  await file.close();
}

function unwritable(path: string, error: unknown): TransientError {
  const why = errorCode(error) === 'ELOOP' ? 'it is a symbolic link' : systemMessage(error);
  return new TransientError({
    reason: 'host',
    message: `cannot write the report ${path}: ${why}`,
    hint: 'name a writable file with --report',
  });
}

async function isStream(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    return found.isFIFO() || found.isCharacterDevice() || found.isSocket();
  } catch {
    return false;
  }
}
