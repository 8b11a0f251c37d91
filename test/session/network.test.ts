import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { TCG, valuesOf } from '../rig/vms.ts';

test('a guest whose user may not use sudo cannot join, and what depends on it does not boot', async () => {
  await using rig = project();
  // what is run in the fake guest runs here, where we may be root
  rig.write({ 'bin/id': '#!/bin/sh\necho 1000\n', 'bin/sudo': '#!/bin/sh\nexit 1\n' });
  for (const name of ['id', 'sudo']) chmodSync(join(rig.work, 'bin', name), 0o755);
  const path = `${join(rig.work, 'bin')}:${rig.environment['PATH'] ?? ''}`;
  const { exitCode, stderr } = await rig.run(['up', ...TCG], { env: { PATH: path } });
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain(
    'db: error: cannot join "lan": user vagrant may not use sudo in the guest without a password',
  );
  expect(stderr.text).not.toContain('files are copied');
  expect(stderr.text).toContain('Close network lan: done');
  expect(rig.entries('start').map(({ name }) => name)).toEqual(['work-db']);
});

test('a VM alone on the console of QEMU has its card, and no one looks into it', async () => {
  await using rig = project();
  const program = rig.start(['up', 'db', ...TCG]);
  await program.waitFor(/Welcome to the fake guest!/, 'stdout');
  program.write('\x01x');
  expect((await program.ended).exitCode).toBe(0);
  const [start] = rig.entries('start');
  expect(valuesOf(start?.argv, '-netdev')).toEqual(['socket,id=network0,fd=4']);
});

/** Two VMs in a network, one of which depends on the other. */
function project(): Rig {
  const rig = new Rig();
  rig.stored();
  rig.write({
    'Transientfile.toml': `
      [networks.lan]
      [vms.db]
      image = "test"
      networks = ["lan"]
      [vms.web]
      image = "test"
      networks = ["lan"]
      depends-on = ["db"]
      ssh-command = "true"
    `,
  });
  return rig;
}
