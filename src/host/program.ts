import { existsSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import which from 'which';
import { TransientError, systemMessage } from '../problem.ts';

/** Package hints for programs that may be missing. */
const PACKAGES: readonly (readonly [name: RegExp, hint: string])[] = [
  [/^qemu-img$/, 'it is in the package qemu-utils (Debian), qemu-img (Fedora, Arch)'],
  [
    /^qemu-system-/,
    'QEMU is in the package qemu-system-x86 (Debian), qemu-system-x86 (Fedora) or qemu-full (Arch)',
  ],
  [/^ssh$/, 'it is in the package openssh-client'],
  [/^(setpriv|flock|unshare|blkid)$/, 'it is part of util-linux'],
  [/^tar$/, 'GNU tar is in the package tar'],
  [/^(rsync|bzip2|zstd)$/, 'it is in the package of that name'],
  [/^gpgv$/, 'it is in the package gpgv (Debian), gnupg2 (Fedora) or gnupg (Arch)'],
  [/^virtiofsd$/, 'it is in the package virtiofsd, or in qemu-system-common (Debian 12)'],
];

/**
 * Path of a program. A missing program is reported with the package that may contain it; one that is not executable is
 * reported separately.
 */
export async function findProgram(name: string, hint = packageOf(name)): Promise<string> {
  const path = await which(name, { nothrow: true });
  if (path) return path;
  const barred = notExecutable(name);
  if (barred !== undefined) throw couldNotRun(barred);
  throw new TransientError({
    reason: 'missing-program',
    message: `Required program '${name}' is not installed`,
    hint,
  });
}

function packageOf(name: string): string | undefined {
  return PACKAGES.find(([pattern]) => pattern.test(name))?.[1];
}

/** Whether a program exists. */
export async function hasProgram(name: string): Promise<boolean> {
  return (await which(name, { nothrow: true })) !== null;
}

/** The first file of that name on PATH or path, even if it is not executable. */
function notExecutable(name: string): string | undefined {
  if (name.includes('/')) return existsSync(name) ? name : undefined;
  const places = (process.env['PATH'] ?? '').split(delimiter);
  return places.map((directory) => join(resolve(directory), name)).find(isPlainFile);
}

function isPlainFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // directories on PATH may be missing or inaccessible
    return false;
  }
}

function couldNotRun(program: string): TransientError {
  return new TransientError({
    reason: 'program-failed',
    message: `Could not run required program '${program}': ${systemMessage({ code: 'EACCES' })}`,
    hint: `make it executable: chmod +x ${program}`,
  });
}
