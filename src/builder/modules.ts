import { readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { filter } from '../host/filter.ts';

/**
 * Kernel modules that the builder may need if they are not built in: for devices, filesystems, volumes, and their
 * helpers.
 */
const WANTED = [
  ...['virtio_pci', 'virtio_blk', 'virtio_console'],
  ...['ext4', 'xfs', 'btrfs', 'vfat', 'nls_cp437', 'nls_iso8859-1', 'nls_ascii', 'nls_utf8'],
  ...['crc32c_generic', 'xxhash_generic', 'sha256_generic', 'blake2b_generic'],
  ...['dm-mod', 'dm-thin-pool', 'dm-snapshot'],
];

/** A kernel module, uncompressed. */
interface Module {
  readonly file: string;
  readonly bytes: Buffer;
  /** Canonical names of the modules it depends on. */
  readonly needs: readonly string[];
}

/** Modules by file name in the initramfs, and for each wanted one the load order of its dependencies. */
export interface ModuleSet {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly order: string;
}

/** Collects the wanted modules below a directory such as `/lib/modules/VERSION`, with all dependencies. */
export async function collectModules(directory: string): Promise<ModuleSet> {
  const paths = await modulePaths(directory);
  const loaded = new Map<string, Module>();
  const load = async (name: string): Promise<void> => {
    const path = paths.get(canonical(name));
    if (path === undefined || loaded.has(canonical(name))) return;
    const bytes = await uncompressed(path);
    const module = { file: moduleName(path), bytes, needs: needsOf(bytes) };
    loaded.set(canonical(name), module);
    for (const need of module.needs) await load(need);
  };
  for (const name of WANTED) await load(name);
  const lines = WANTED.map((name) => `${name}: ${inOrder(canonical(name), loaded).join(' ')}\n`);
  return {
    files: new Map([...loaded.values()].map(({ file, bytes }) => [`${file}.ko`, bytes])),
    order: lines.join(''),
  };
}

async function modulePaths(directory: string): Promise<Map<string, string>> {
  const files = await readdir(directory, { recursive: true });
  const modules = files.filter((file) => /\.ko(\.(gz|xz|zst))?$/.test(file));
  return new Map(modules.map((file) => [canonical(moduleName(file)), join(directory, file)]));
}

function moduleName(path: string): string {
  return basename(path).replace(/\.ko(\.\w+)?$/, '');
}

/** Normalizes a module name: hyphens and underscores are equivalent. */
function canonical(name: string): string {
  return name.replaceAll('-', '_');
}

async function uncompressed(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  if (path.endsWith('.gz')) return gunzipSync(bytes);
  if (path.endsWith('.ko')) return bytes;
  const program = path.endsWith('.xz') ? 'xz' : 'zstd';
  const chunks: Buffer[] = [];
  for await (const chunk of filter(program, ['-dc'], once(bytes))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

/**
 * Reads a module's dependencies from its section `.modinfo`, as `depends=a,b` between NULs (Linux,
 * include/linux/module.h).
 */
function needsOf(bytes: Buffer): string[] {
  const begin = bytes.indexOf('\0depends=');
  if (begin < 0) return [];
  const text = bytes.toString('latin1', begin + '\0depends='.length, bytes.indexOf(0, begin + 1));
  return text.split(',').filter(Boolean);
}

function inOrder(name: string, modules: ReadonlyMap<string, Module>, seen = new Set<string>()): string[] {
  const module = modules.get(name);
  if (module === undefined || seen.has(name)) return [];
  seen.add(name);
  return [...module.needs.flatMap((need) => inOrder(canonical(need), modules, seen)), module.file];
}
