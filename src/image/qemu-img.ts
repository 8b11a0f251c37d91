import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { exists } from '../host/exists.ts';
import { programFailed } from '../host/exit.ts';
import { run, runToEnd } from '../host/run.ts';
import { TransientError } from '../problem.ts';
import type { DiskFormat } from './format.ts';

/** What `qemu-img info` says of a file, as far as we use it; sizes in bytes. */
const imageInfo = lazily(() => z.object({ 'virtual-size': z.number(), 'actual-size': z.number() }));

export interface ImageInfo {
  readonly virtualSize: number;
  /** What it takes on the disk. */
  readonly realSize: number;
}

/** The sizes of a disk whose format was told before; `-U` because a reader need not wait for a writer's lock. */
export async function inspectImage(
  path: string,
  format: DiskFormat,
  signal?: AbortSignal,
): Promise<ImageInfo> {
  const args = ['info', '-U', '-f', format, '--output=json', path];
  const { stdout } = await run('qemu-img', args, signal ? { signal } : {});
  const info = imageInfo().safeParse(jsonIn(stdout));
  if (!info.success) throw garbage(`qemu-img says nothing of use about ${path}`, stdout);
  return { virtualSize: info.data['virtual-size'], realSize: info.data['actual-size'] };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** So much of a line of garbage is shown. */
const LONGEST_LINE = 200;

function garbage(what: string, said: string): TransientError {
  // it may be anything, also what a terminal would obey
  const plain = said.replaceAll(/[^\x20-\x7e\n]+/g, '?').split('\n');
  const details = plain
    .filter(Boolean)
    .map((line) => line.slice(0, LONGEST_LINE))
    .slice(0, 5);
  return new TransientError({
    reason: 'image',
    message: `Command produced garbage: ${what}`,
    hint: 'see which qemu-img is the first on PATH, and what it says to "qemu-img --version"',
    ...(details.length > 0 ? { details } : {}),
  });
}

/** What `qemu-img check` says of a file, as far as we use it. */
const checkReport = lazily(() =>
  z.object({
    'check-errors': z.number(),
    corruptions: z.number().optional(),
  }),
);

/** What a check has found: what is wrong, with the words of qemu-img where it has not come to an end. */
export interface Damage {
  readonly what: string;
  readonly details?: readonly string[];
}

/**
 * What is wrong with a qcow2, if anything: one that was cut off refers to what is not there. Clusters that nothing refers to
 * are no damage. What is no answer of qemu-img's to the question is an error.
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
  if (!report.success) throw garbage(`qemu-img says nothing of use about ${path}`, stdout);
  if ((report.data.corruptions ?? 0) > 0) return { what: 'it is broken or was cut off' };
  return report.data['check-errors'] > 0 ? { what: 'it cannot be checked to its end' } : undefined;
}

/** Makes an empty qcow2 that shows another one until it is written to. */
export async function createOverlay(backing: string, path: string, signal: AbortSignal): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backing, '-F', 'qcow2', path], { signal });
  if (!(await exists(path))) throw garbage(`qemu-img ended with 0 and has not made ${path}`, '');
}

/** Writes an image anew as qcow2. `onFraction` hears how far it is, from 0 to 1. */
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
