import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { succeeded } from '../rig/vms.ts';
import { cloudImage, PATIENTLY, realRig } from './guests.ts';

/** The first boot of cloud-init starts Python four times, which takes minutes of emulation on a busy machine. */
const FIRST_BOOT = ['--ssh-timeout', '540'];

test('a cloud image without user, key or network is set up by its seed, and runs user-data', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': `
[images.cloud]
source = "file=${cloudImage('12')}"
[vms.web]
image = "cloud"
wait-for = "cloud-init"
user-data = "user-data.yaml"
ssh-user = "ada"
`,
    'user-data.yaml': `#cloud-config
write_files:
  - path: /etc/from-user-data
    content: "written by user-data\\n"
runcmd:
  - sleep 5
  - echo "run by user-data" >/etc/from-runcmd
`,
  });
  const command = 'cat /etc/from-user-data /etc/from-runcmd; hostname; id -un; sudo -n id -un';
  const stdout = await succeeded(rig, ['up', ...PATIENTLY, ...FIRST_BOOT, '--cmd', command]);
  expect(stdout.split('\n')).toEqual(['written by user-data', 'run by user-data', 'web', 'ada', 'root', '']);
  expect(rig.leftovers()).toEqual([]);
});

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
