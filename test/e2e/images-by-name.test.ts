import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VendorServer } from '../rig/vendor-server.ts';
import { succeeded } from '../rig/vms.ts';
import { FIRST_BOOT, PATIENTLY, cloudImage, realRig } from './guests.ts';

test('Debian 13 by its name is found, verified, booted, grown, set up by user-data and logged in to', async () => {
  await using vendors = await VendorServer.start();
  await using rig = realRig(vendors.environment);
  const disk = join(rig.work, 'larger.qcow2');
  copyFileSync(cloudImage('13'), disk);
  execFileSync('qemu-img', ['resize', '-q', disk, '6G']);
  vendors.publish('debian:13', { build: '20260712-2537', image: disk });
  rig.write({
    'user-data.yaml': `#cloud-config
write_files:
  - path: /etc/from-user-data
    content: "written by user-data\\n"
`,
  });
  const command = 'cat /etc/from-user-data; id -un; sudo -n id -un; df --output=size -BG / | tail -n 1';
  const options = [...PATIENTLY, ...FIRST_BOOT, '--user-data', 'user-data.yaml'];
  const stdout = await succeeded(rig, ['run', 'debian:13', ...options, '--cmd', command]);
  expect(stdout.split('\n').map((line) => line.trim())).toEqual([
    'written by user-data',
    'debian',
    'root',
    '6G',
    '',
  ]);
  expect(rig.images).toEqual(['debian%3A13%4020260712%2D2537']);
  expect(rig.leftovers()).toEqual([]);
});

test('a project pins the build of Debian 12 and waits for cloud-init; its named VM keeps its disk when the pin moves', async () => {
  await using vendors = await VendorServer.start();
  await using rig = realRig(vendors.environment);
  const image = cloudImage('12');
  vendors.publish('debian:12', { build: '20260601-2480', image });
  rig.write({
    'Transientfile.toml': `
[vms.web]
image = "debian:12"
ssh-user = "ada"
persistent = true
wait-for = "cloud-init"
user-data = "user-data.yaml"
ssh-command = "cat mark 2>/dev/null; cat /etc/from-runcmd; id -un; hostname; echo kept > mark; sync"
`,
    'user-data.yaml': `#cloud-config
runcmd:
  - sleep 5
  - echo "run by user-data" >/etc/from-runcmd
`,
  });
  const up = ['up', ...PATIENTLY, ...FIRST_BOOT];
  expect(await succeeded(rig, up)).toBe('run by user-data\nada\nweb\n');
  vendors.publish('debian:12', { build: '20260712-2537', image });
  expect(await succeeded(rig, ['image', 'update'])).toBe('debian:12: 20260601-2480 → 20260712-2537\n');
  expect(await succeeded(rig, up)).toBe('kept\nrun by user-data\nada\nweb\n');
  expect(rig.images).toEqual(['debian%3A12%4020260601%2D2480']);
  expect(rig.leftovers()).toEqual([]);
});
