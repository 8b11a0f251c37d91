import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { succeeded } from '../rig/vms.ts';
import { FIRST_BOOT, PATIENTLY, cloudImage, realRig } from './guests.ts';

test('a cloud image on a larger disk boots by UEFI, and its root grows', async () => {
  await using rig = realRig();
  const disk = join(rig.work, 'larger.qcow2');
  copyFileSync(cloudImage('13'), disk);
  execFileSync('qemu-img', ['resize', '-q', disk, '6G']);
  const grown = 'test -d /sys/firmware/efi && df --output=size -BG / | tail -n 1';
  const run = ['run', `larger,file=${disk}`, '--cloud-init', ...PATIENTLY, ...FIRST_BOOT, '--cmd', grown];
  const stdout = await succeeded(rig, [...run, '--', '-bios', '/usr/share/ovmf/OVMF.fd']);
  expect(stdout.trim()).toBe('6G');
  expect(rig.leftovers()).toEqual([]);
});
