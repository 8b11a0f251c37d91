import * as z from 'zod';
import { exists } from '../host/exists.ts';
import { run, runSilently } from '../host/run.ts';
import { TransientError } from '../problem.ts';
import type { DiskFormat } from './format.ts';

/** What `qemu-img info` says of a file, as far as we use it; sizes in bytes. */
const imageInfo = z.object({ 'virtual-size': z.number(), 'actual-size': z.number() });

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
  const info = imageInfo.safeParse(jsonIn(stdout));
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

function garbage(what: string, said: string): TransientError {
  const details = said.split('\n').filter(Boolean).slice(0, 5);
  return new TransientError({
    reason: 'image',
    message: `Command produced garbage: ${what}`,
    hint: 'see which qemu-img is the first on PATH, and what it says to "qemu-img --version"',
    ...(details.length > 0 ? { details } : {}),
  });
}

/** Whether a qcow2 is whole: one that was cut off refers to what is not there (`qemu-img check` ends with 2). */
export async function isWholeQcow2(path: string, signal: AbortSignal): Promise<boolean> {
  const CORRUPT = 2;
  const exit = await runSilently('qemu-img', ['check', '-q', '-U', '-f', 'qcow2', path], signal);
  return exit.code !== CORRUPT && exit.code !== 1;
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
