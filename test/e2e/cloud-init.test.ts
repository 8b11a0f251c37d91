import { expect, test } from 'vitest';
import { succeeded } from '../rig/vms.ts';
import { guest, PATIENTLY, realRig } from './guests.ts';

/** The first boot of cloud-init starts Python four times, which takes minutes of emulation on a busy machine. */
const FIRST_BOOT = ['--ssh-timeout', '540'];

test('a cloud image without user, key or network is set up by its seed, and runs user-data', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': `
[images.cloud]
source = "${guest('cloud').replace('cloud,', '')}"
[vms.web]
image = "cloud"
cloud-init = true
user-data = "user-data.yaml"
ssh-user = "ada"
`,
    'user-data.yaml': `#cloud-config
write_files:
  - path: /etc/from-user-data
    content: "written by user-data\\n"
`,
  });
  const command = 'cat /etc/from-user-data; hostname; id -un; sudo -n id -un';
  const stdout = await succeeded(rig, ['up', ...PATIENTLY, ...FIRST_BOOT, '--cmd', command]);
  expect(stdout.split('\n')).toEqual(['written by user-data', 'web', 'ada', 'root', '']);
  expect(rig.leftovers()).toEqual([]);
});
