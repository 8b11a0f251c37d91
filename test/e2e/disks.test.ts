import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { contentOn, gptDisk, lvmDisk } from '../rig/filesystems.ts';
import type { Rig } from '../rig/rig.ts';
import { succeeded, vmFile } from '../rig/vms.ts';
import { realRig } from './guests.ts';

const ROOT = '11111111-1111-4111-8111-111111111111';
const VAR = '22222222-2222-4222-8222-222222222222';
const ABSENT = '33333333-3333-4333-8333-333333333333';

test('partitions of a GPT are where /etc/fstab mounts them, by UUID and by name', async () => {
  await using rig = realRig();
  const fstab = `
# what an installer writes, and what people add
UUID=${ROOT}   /                ext4  errors=remount-ro 0 1
UUID="${VAR}"  /var             ext4  defaults          0 2
PARTLABEL=more /srv/two\\040words auto  defaults          0 2
UUID=${ABSENT} /media/absent    ext4  defaults,nofail   0 2
/dev/sda9      /media/later     ext4  defaults,noauto   0 2
tmpfs          /tmp             tmpfs defaults          0 0
`;
  const { path, offsets } = gptDisk(rig, {
    system: { uuid: ROOT, files: { 'etc/fstab': fstab, 'var/hidden': 'x' } },
    var: { uuid: VAR, files: { 'log/old': 'old' } },
    more: { files: { old: 'old' } },
  });
  await createdOn(rig, path);
  await succeeded(rig, ['cp', 'vm:/srv/two words', 'early']);
  await succeeded(rig, ['cp', 'new', 'vm:/var/log/']);
  const after = diskOf(rig);
  expect(contentOn(after, offsets.system, '/var/log/new')).toBe('');
  expect(contentOn(after, offsets.var, '/log/new')).toBe('new');
  await succeeded(rig, ['cp', 'vm:/var', 'vm:/srv/two words', 'out']);
  expect(contentsOf(rig, 'out/var/log/old', 'out/var/log/new', 'out/two words/old')).toEqual([
    'old',
    'new',
    'old',
  ]);
});

test('logical volumes are where /etc/fstab mounts them', async () => {
  await using rig = realRig();
  const fstab = '/dev/mapper/vg-root / ext4 defaults 0 1\n/dev/mapper/vg-var /var ext4 defaults 0 2\n';
  const { path, offsets } = lvmDisk(rig, 'vg', {
    root: { files: { 'etc/fstab': fstab, 'var/hidden': 'x' } },
    var: { files: { 'log/old': 'old' } },
  });
  await createdOn(rig, path);
  await succeeded(rig, ['cp', 'new', 'vm:/var/log/']);
  const after = diskOf(rig);
  expect(contentOn(after, offsets.root, '/var/log/new')).toBe('');
  expect(contentOn(after, offsets.var, '/log/new')).toBe('new');
  await succeeded(rig, ['cp', 'vm:/var', 'out']);
  expect(contentsOf(rig, 'out/log/old', 'out/log/new')).toEqual(['old', 'new']);
});

test('a filesystem that /etc/fstab wants and that is not there is reported by its name', async () => {
  await using rig = realRig();
  const fstab = `UUID=${ABSENT} /var ext4 defaults 0 2\n`;
  const { path } = gptDisk(rig, { system: { files: { 'etc/fstab': fstab, 'var/hidden': 'x' } } });
  await createdOn(rig, path);
  const { exitCode, stderr } = await rig.run(['cp', 'new', 'vm:/etc/']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain(
    `mounted: cannot mount UUID=${ABSENT} at /var, listed in /etc/fstab of the guest`,
  );
});

/** Creates a VM on a disk, and a file to copy into it. */
async function createdOn(rig: Rig, disk: string): Promise<void> {
  rig.write({ new: 'new' });
  await succeeded(rig, ['create', `data,file=${disk}`, '--name', 'vm']);
}

/** What the disk of the VM is now, as a raw file. */
function diskOf(rig: Rig): string {
  const raw = join(rig.work, 'after.raw');
  execFileSync('qemu-img', ['convert', '-O', 'raw', vmFile(rig, 'vm', 'vm-0-data'), raw]);
  return raw;
}

function contentsOf(rig: Rig, ...names: readonly string[]): string[] {
  return names.map((name) => readFileSync(join(rig.work, name), 'utf8'));
}
