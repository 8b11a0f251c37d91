import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { disk } from '../../../rig/disks.ts';
import { makeQcow2WithDataFile, qcow2BackedBy, vmdkHidingDescriptor } from '../../../rig/evil-disks.ts';
import { FOREIGN_DISKS } from '../../../rig/foreign-disks.ts';
import type { TarEntry } from '../../../rig/tar.ts';
import { tar } from '../../../rig/tar.ts';

/** Files by their names, each with what makes its content. */
export type Makers = Readonly<Record<string, () => Buffer>>;

/** Files that are no disk of their own. */
export const UNUSABLE_DISKS: Makers = {
  'nothing.qcow2': () => Buffer.alloc(0),
  'head.qcow2': () => disk('qcow2').subarray(0, 64),
  'half.qcow2': () => disk('qcow2').subarray(0, 150_000),
  'backed.qcow2': () => qcow2BackedBy('/etc/passwd'),
  'apart.qcow2': () => created((path) => makeQcow2WithDataFile(path, `${path}.data`)),
  'old.qed': () => created(makeQedWithBacking),
  'hidden.vmdk': () => vmdkHidingDescriptor('/etc/passwd'),
  'esx.vmdk': () => Buffer.concat([Buffer.from('COWD'), Buffer.alloc(4092)]),
  'child.vmdk': vmdkWithParent,
  'login.qcow2': () => Buffer.from('<!DOCTYPE html>\n<html><body>Please log in</body></html>\n'),
  'notes.img': () => Buffer.from('to be replaced by a disk\n'),
  'odd.img': () => Buffer.alloc(1000, 1),
};

/** Disks of formats that are not ours, and what is no disk at all. */
export const FOREIGN: Makers = Object.fromEntries(
  Object.entries(FOREIGN_DISKS).map(([name, { make }]) => [name, make]),
);

/** Boxes without a disk that could be taken out of them. */
export const BROKEN_BOXES: Makers = {
  'empty.box': () => tar({ name: 'Vagrantfile', content: 'Vagrant.configure("2") {}\n' }),
  'other.box': () => tar(metadata('{"disks": [{"path": "disk_0.qcow2"}]}'), BOX_IMAGE),
  'cut.box': () => tar({ ...BOX_IMAGE, claims: 1e9 }),
  'link.box': () => tar({ name: 'box.img', type: 'symlink', link: '/dev/sda' }),
  'climbing.box': () => tar({ name: '../../box.img', content: 'x' }),
  'crowd.box': () => tar(...Array.from({ length: 10_001 }, (_none, index) => ({ name: String(index) }))),
  'verbose.box': () => tar(metadata(' '.repeat((1 << 20) + 1))),
  'sparse.box': () => tar(pax({ map: '0,512' }), BOX_IMAGE),
  'holes.box': () =>
    tar(pax({ major: '1', name: 'box.img', realsize: '4096' }), {
      name: 'box.img',
      content: 'no numbers'.padEnd(512, '.'),
    }),
};

const BOX_IMAGE: TarEntry = { name: 'box.img', content: 'x'.repeat(512) };

function metadata(content: string): TarEntry {
  return { name: 'metadata.json', content };
}

function created(make: (path: string) => void): Buffer {
  const directory = mkdtempSync('/tmp/tr-disk-');
  try {
    const path = join(directory, 'made');
    make(path);
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function makeQedWithBacking(path: string): void {
  execFileSync('qemu-img', ['create', '-q', '-f', 'raw', `${path}.base`, '1M']);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qed', '-b', `${path}.base`, '-F', 'raw', path]);
}

function vmdkWithParent(): Buffer {
  const bytes = disk('vmdk');
  bytes.write('parentFileNameHint="/etc/passwd"', 0x600, 'latin1');
  return bytes;
}

/** The records by which GNU tar tells of holes in the next entry, each with its own length in front (POSIX pax). */
function pax(sparse: Readonly<Record<string, string>>): TarEntry {
  const pairs = Object.entries(sparse).map(([key, value]) => ` GNU.sparse.${key}=${value}\n`);
  return {
    name: 'PaxHeader',
    type: 'pax',
    content: pairs.map((pair) => `${pair.length + 2}${pair}`).join(''),
  };
}
