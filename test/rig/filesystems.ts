import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Rig } from './rig.ts';
import { EXTENT, placesOf, volumeGroup } from './lvm.ts';

const MIB = 1 << 20;
/** Bytes of a partition or volume. */
const PART = 32 * MIB;

/** Makes a disk that is one filesystem with an `/etc/fstab`, without root, and returns its path. */
export function filesystem(rig: Rig, kind: 'xfs' | 'btrfs' | 'vfat' | 'ext4'): string {
  const disk = join(rig.work, `${kind}.raw`);
  rig.write({
    'root/etc/fstab': '# nothing below it\n',
    proto: 'x\n0 0\nd--755 0 0\netc d--755 0 0\nfstab ---644 0 0 root/etc/fstab\n$\n$\n',
  });
  const make = {
    xfs: 'mkfs.xfs -q -p proto "$0"',
    btrfs: 'mkfs.btrfs -q --rootdir root "$0"',
    vfat: 'mkfs.vfat "$0" && mmd -i "$0" ::etc && mcopy -i "$0" root/etc/fstab ::etc/',
    ext4: 'mke2fs -q -t ext4 -d root "$0"',
  }[kind];
  shell(`truncate -s 400M "$0" && ${make}`, [disk], rig.work);
  return disk;
}

/** Content of a partition: files by their paths, in an ext4. */
export interface Content {
  readonly files: Readonly<Record<string, string>>;
  readonly uuid?: string;
}

/** A raw disk, and where its parts begin, in bytes. */
export interface PartedDisk<Name extends string> {
  readonly path: string;
  readonly offsets: Readonly<Record<Name, number>>;
}

type Parts<Name extends string> = Readonly<Record<Name, Content>>;

/** Makes a disk with a GPT, whose partitions have the names that are the keys. */
export function gptDisk<Name extends string>(rig: Rig, parts: Parts<Name>): PartedDisk<Name> {
  const path = join(rig.work, 'gpt.raw');
  const names = Object.keys(parts);
  const offsets = names.map((_name, index) => MIB + index * PART);
  const table = names.map((name) => `size=${PART / MIB}M, name="${name}"\n`);
  writeFileSync(path, '');
  truncateSync(path, 2 * MIB + names.length * PART);
  shell('sfdisk -q "$0"', [path], rig.work, `label: gpt\n${table.join('')}`);
  return filled(rig, path, offsets, parts);
}

/** Makes a disk that is one LVM volume group, whose volumes have the names that are the keys. */
export function lvmDisk<Name extends string>(rig: Rig, group: string, parts: Parts<Name>): PartedDisk<Name> {
  const path = join(rig.work, 'lvm.raw');
  const volumes = Object.keys(parts).map((name) => ({ name, extents: PART / EXTENT }));
  const { offsets, size } = placesOf(volumes);
  writeFileSync(path, volumeGroup(group, volumes));
  truncateSync(path, size);
  return filled(rig, path, offsets, parts);
}

/** Content of a file in an ext4 at an offset of a raw disk; undefined if it does not exist. */
export function contentOn(disk: string, offset: number, path: string): string {
  return shell('debugfs -R "cat $1" "$0?offset=$2"', [disk, path, String(offset)]);
}

function filled<Name extends string>(
  rig: Rig,
  path: string,
  offsets: readonly number[],
  parts: Parts<Name>,
): PartedDisk<Name> {
  const places = Object.keys(parts).map((name, index) => [name, offsets[index] ?? 0] as const);
  for (const [name, offset] of places) {
    const { files, uuid = randomUUID() } = parts[name as Name];
    const below = Object.entries(files).map(([file, text]) => [`part ${name}/${file}`, text]);
    rig.write(Object.fromEntries(below) as Record<string, string>);
    const args = [path, `part ${name}`, uuid, `offset=${offset},root_owner=0:0`, `${PART / 1024}k`];
    shell('mke2fs -q -t ext4 -d "$1" -U "$2" -E "$3" "$0" "$4"', args, rig.work);
  }
  return { path, offsets: Object.fromEntries(places) as Record<Name, number> };
}

/** Runs what administrators have on their PATH. */
function shell(script: string, args: readonly string[], cwd = '/', input = ''): string {
  return execFileSync('sh', ['-c', `PATH=$PATH:/sbin:/usr/sbin; ${script}`, ...args], {
    cwd,
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
