import { readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { filter } from '../host/filter.ts';

/** What the builder's kernel may need that it has not built in: its devices, filesystems, volumes, and their helpers. */
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
  /** The modules that it names as its needs, by their canonical names. */
  readonly needs: readonly string[];
}

/** Modules by the names of their files in the initramfs, and for each wanted one what is to be loaded, in order. */
export interface ModuleSet {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly order: string;
}

/** The wanted modules below a directory such as `/lib/modules/VERSION`, with all that they need. */
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

/** Module names are the same with hyphens and with underscores. */
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

/** A module names its needs in its section `.modinfo`, as `depends=a,b` between NULs (Linux, include/linux/module.h). */
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
