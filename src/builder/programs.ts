import { open, readFile, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { findProgram, hasProgram } from '../host/program.ts';
import { run } from '../host/run.ts';
import type { CpioEntry } from './cpio.ts';
import { DIRECTORY, LINK, PROGRAM } from './cpio.ts';

/** Host programs that the builder requires; busybox is no replacement for them. */
const NEEDED = ['tar', 'blkid'];

/** Optional host programs. */
const USEFUL = ['lvm', 'rsync'];

/** Name of rsync in the guest's root; its wrapper lies over `/proc`. */
const RSYNC = 'rsync';

/** GNU tar in the guest's root, with its own loader and libraries, not the guest's. */
export const BUILDER_TAR = throughLoader('tar');

/** Directories of administrative programs, which need not be on PATH. */
const FURTHER = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** Finds a program of the host by name; undefined if it is not installed. */
export async function findHostProgram(name: string): Promise<string | undefined> {
  for (const candidate of [name, ...FURTHER.map((directory) => `${directory}/${name}`)]) {
    if (await hasProgram(candidate)) return realpath(await findProgram(candidate));
  }
  return undefined;
}

/** Throws if a program that the builder requires is missing. */
export async function findNeededPrograms(): Promise<void> {
  for (const name of NEEDED) if ((await findHostProgram(name)) === undefined) await findProgram(name);
}

/** Finds the host's programs for the builder, by name. */
export async function hostPrograms(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const name of [...NEEDED, ...USEFUL]) {
    const path = await findHostProgram(name);
    if (path !== undefined) found.set(name, path);
    else if (NEEDED.includes(name)) await findProgram(name);
  }
  return found;
}

/** Finds a statically linked busybox; undefined if the host has none. */
export async function staticBusybox(): Promise<string | undefined> {
  for (const name of ['busybox', 'busybox.static']) {
    const path = await findHostProgram(name);
    if (path !== undefined && (await isStatic(path))) return path;
  }
  return undefined;
}

/** Whether an ELF file is static: a dynamic program names its loader in a program header of type PT_INTERP (elf(5)). */
async function isStatic(path: string): Promise<boolean> {
  const PT_INTERP = 3;
  await using file = await open(path, 'r');
  const { buffer: head } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
  if (head.toString('latin1', 1, 4) !== 'ELF') return false;
  const [begin, size, count] = [
    Number(head.readBigUInt64LE(32)),
    head.readUInt16LE(54),
    head.readUInt16LE(56),
  ];
  const types = Array.from({ length: count }, (_none, index) => head.readUInt32LE(begin + index * size));
  return !types.includes(PT_INTERP);
}

/**
 * Initramfs entries of the builder's tools: busybox under each of its names, and the host's programs with their
 * libraries.
 */
export async function toolEntries(
  busybox: string,
  programs: ReadonlyMap<string, string>,
): Promise<CpioEntry[]> {
  const { stdout } = await run(busybox, ['--list']);
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  const libraries = new Map<string, string>();
  for (const path of programs.values())
    for (const [name, file] of await librariesOf(path)) libraries.set(name, file);
  const directories = ['tools', 'tools/bin', 'tools/real', 'tools/lib'];
  return [
    ...directories.map((path) => ({ path, mode: DIRECTORY, bytes: Buffer.alloc(0) })),
    { path: 'tools/bin/busybox', mode: PROGRAM, bytes: await readFile(busybox) },
    ...applets.map((name) => ({ path: `tools/bin/${name}`, mode: LINK, bytes: Buffer.from('busybox') })),
    ...(await files(programs, 'tools/real')),
    ...(await files(libraries, 'tools/lib')),
    ...(programs.has(RSYNC) ? [wrapper(RSYNC)] : []),
  ];
}

function throughLoader(name: string): string {
  return `/proc/lib/ld.so --library-path /proc/lib /proc/real/${name}`;
}

function wrapper(name: string): CpioEntry {
  const text = `#!/proc/bin/busybox sh\nexec ${throughLoader(name)} "$@"\n`;
  return { path: `tools/bin/${name}`, mode: PROGRAM, bytes: Buffer.from(text) };
}

async function files(found: ReadonlyMap<string, string>, directory: string): Promise<CpioEntry[]> {
  return Promise.all(
    [...found].map(async ([name, path]) => ({
      path: `${directory}/${name}`,
      mode: PROGRAM,
      bytes: await readFile(path),
    })),
  );
}

/** Libraries of a program by the names it requests, and its loader as `ld.so` (ldd(1)). */
async function librariesOf(program: string): Promise<Map<string, string>> {
  const { stdout } = await run('ldd', [program]);
  const found = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const [, name, path] = /^\s*(\S+) => (\/\S+)/.exec(line) ?? [];
    const [, loader] = /^\s*(\/\S*\/ld-\S+)/.exec(line) ?? [];
    if (name !== undefined && path !== undefined)
      found.set(basename(name).startsWith('ld-') ? 'ld.so' : name, path);
    if (loader !== undefined) found.set('ld.so', loader);
  }
  return found;
}
