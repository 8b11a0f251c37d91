import { createHash } from 'node:crypto';
import { disk } from './disks.ts';
import type { HttpServer } from './http-server.ts';
import { tar } from './tar.ts';

/** One file of a version of a box. */
export interface BoxFile {
  readonly provider: string;
  readonly architecture?: string;
  readonly content: Buffer;
  readonly checksum?: { readonly type: string; readonly value: string };
}

/** A box as described by a registry or a catalogue file. */
export interface Catalog {
  readonly name: string;
  readonly versions: readonly {
    readonly version: string;
    readonly status: string;
    readonly providers: readonly Record<string, string | boolean | null>[];
  }[];
}

/** The architecture of this host, as registries write it. */
export const HOST_ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;
export const OTHER_ARCHITECTURE = HOST_ARCHITECTURE === 'amd64' ? 'arm64' : 'amd64';

/** Puts a box with its versions on a server, where Vagrant asks for it, and returns what is said of it there. */
export function publish(
  server: HttpServer,
  box: string,
  versions: Readonly<Record<string, readonly BoxFile[]>>,
): Catalog {
  const catalog: Catalog = {
    name: box,
    versions: Object.entries(versions).map(([version, files]) => ({
      version,
      status: 'active',
      providers: files.map((file, index) => {
        const url = server.serve(boxPath(box, version, index), {
          content: file.content,
          etag: `"${version}"`,
        });
        return { name: file.provider, url, ...architectureOf(file), ...checksumOf(file) };
      }),
    })),
  };
  server.serveJson(catalogPath(box), catalog);
  return catalog;
}

/** Where a registry tells of a box. */
export function catalogPath(box: string): string {
  return `/api/v2/vagrant/${box}`;
}

/** Where {@link publish} puts a file of a box: the one with this index in its version. */
export function boxPath(box: string, version: string, index = 0): string {
  return `/boxes/${box}/${version}/${index}.box`;
}

/** A box as libvirt ones have always been, with the disk of this number. */
export function libvirtBox(number = 1): Buffer {
  const metadata = { provider: 'libvirt', format: 'qcow2', virtual_size: 1 };
  return tar(
    { name: './metadata.json', content: JSON.stringify(metadata) },
    { name: './Vagrantfile', content: 'Vagrant.configure("2") {}\n' },
    { name: './box.img', content: disk('qcow2', number) },
  );
}

/** A file for libvirt with the disk of this number. */
export function libvirt(number = 1, more: Partial<BoxFile> = {}): BoxFile {
  return { provider: 'libvirt', content: libvirtBox(number), ...more };
}

export function checksum(bytes: Buffer, type: string): { type: string; value: string } {
  return { type, value: createHash(type).update(bytes).digest('hex') };
}

function architectureOf({ architecture }: BoxFile): Record<string, string | boolean> {
  return architecture === undefined ? {} : { architecture, default_architecture: true };
}

/** Registries say null or nothing where they know no checksum. */
function checksumOf({ checksum: checksum }: BoxFile): Record<string, string | null> {
  return { checksum: checksum?.value ?? null, checksum_type: checksum?.type ?? null };
}
