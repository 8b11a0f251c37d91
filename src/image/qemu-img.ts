import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { exists } from '../host/exists.ts';
import { programFailed } from '../host/exit.ts';
import { run, runToEnd } from '../host/run.ts';
import { TransientError } from '../problem.ts';
import type { DiskFormat } from './format.ts';

/** The fields of `qemu-img info` that are used; sizes in bytes. */
const imageInfo = lazily(() => z.object({ 'virtual-size': z.number(), 'actual-size': z.number() }));

export interface ImageInfo {
  readonly virtualSize: number;
  /** Space allocated on disk. */
  readonly realSize: number;
}

/** Reads the sizes of a disk of known format; `-U` because reading need not wait for a writer's lock. */
export async function inspectImage(
  path: string,
  format: DiskFormat,
  signal?: AbortSignal,
): Promise<ImageInfo> {
  const args = ['info', '-U', '-f', format, '--output=json', path];
  const { stdout } = await run('qemu-img', args, signal ? { signal } : {});
  const info = imageInfo().safeParse(jsonIn(stdout));
  if (!info.success) throw garbage(`unexpected output of qemu-img for ${path}`, stdout);
  return { virtualSize: info.data['virtual-size'], realSize: info.data['actual-size'] };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Maximum number of characters of a garbage line that are shown. */
const LONGEST_LINE = 200;

function garbage(what: string, output: string): TransientError {
  // may contain anything, including terminal escape sequences
  const plain = output.replaceAll(/[^\x20-\x7e\n]+/g, '?').split('\n');
  const details = plain
    .filter(Boolean)
    .map((line) => line.slice(0, LONGEST_LINE))
    .slice(0, 5);
  return new TransientError({
    reason: 'image',
    message: `Command produced garbage: ${what}`,
    hint: 'check which qemu-img comes first on PATH, and the output of "qemu-img --version"',
    ...(details.length > 0 ? { details } : {}),
  });
}

/** The fields of `qemu-img check` that are used. */
const checkReport = lazily(() =>
  z.object({
    'check-errors': z.number(),
    corruptions: z.number().optional(),
  }),
);

/** Result of a failed check: the problem, and qemu-img's own output if the check could not complete. */
export interface Damage {
  readonly what: string;
  readonly details?: readonly string[];
}

/**
 * Checks a qcow2 and describes the damage, if any; a truncated one has references beyond its end. Leaked clusters are
 * not damage. Rejects if qemu-img gives no proper answer.
 */
export async function damageOfQcow2(path: string, signal: AbortSignal): Promise<Damage | undefined> {
  const args = ['check', '-U', '-f', 'qcow2', '--output=json', path];
  const { stdout, stderr, exit } = await runToEnd('qemu-img', args, signal);
  if (exit.code === 1 && stdout === '') {
    const details = stderr.trim().split('\n').filter(Boolean);
    return { what: 'qemu-img cannot open it', ...(details.length > 0 ? { details } : {}) };
  }
  const report = checkReport().safeParse(jsonIn(stdout));
  if (exit.code === undefined || ![0, 1, 2, 3].includes(exit.code))
    throw programFailed('qemu-img', exit, stderr);
  if (!report.success) throw garbage(`unexpected output of qemu-img for ${path}`, stdout);
  if ((report.data.corruptions ?? 0) > 0) return { what: 'it is corrupt or truncated' };
  return report.data['check-errors'] > 0 ? { what: 'it cannot be checked completely' } : undefined;
}

/** Creates an empty qcow2 overlay over a backing file. */
export async function createOverlay(backing: string, path: string, signal: AbortSignal): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', path], { signal });
  if (!(await exists(path))) throw garbage(`qemu-img exited with 0 but did not create ${path}`, '');
}

/** Converts an image to qcow2. `onFraction` receives the progress, from 0 to 1. */
export async function convertToQcow2(
  source: { path: string; format: DiskFormat },
  target: string,
  signal: AbortSignal,
  onFraction: (fraction: number) => void,
): Promise<void> {
  const args = ['convert', '-p', '-f', source.format, '-O', 'qcow2', source.path, target];
  await run('qemu-img', args, {
    signal,
    onOutput: (text) => {
      const percent = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
      if (percent !== undefined) onFraction(Number(percent) / 100);
    },
  });
}
