import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compressed } from '../rig/disks.ts';
import { HttpServer } from '../rig/http-server.ts';
import { checksum, publish } from '../rig/registry.ts';
import { Rig } from '../rig/rig.ts';
import { tar } from '../rig/tar.ts';
import { guest, PATIENTLY } from './guests.ts';

const [, tiny = ''] = guest('tiny').split('file=');

test('a box of two disks comes from a registry, boots, and is not fetched again', async () => {
  await using server = await HttpServer.start();
  await using rig = new Rig({ fakeQemu: false, env: { VAGRANT_SERVER_URL: server.url('') } });
  const metadata = { disks: [{ path: 'root.img' }, { path: 'data.img' }] };
  const box = tar(
    { name: 'metadata.json', content: JSON.stringify(metadata) },
    { name: 'data.img', content: readFileSync(rig.image('data.qcow2')) },
    { name: 'root.img', content: readFileSync(tiny) },
  );
  const content = execFileSync('gzip', ['-1'], { input: box, maxBuffer: 1 << 30 });
  const file = { provider: 'libvirt', content, checksum: checksum(content, 'sha256') };
  publish(server, 'user/box', { '1.0': [file] });
  const args = ['run', 'user/box:v1.0', ...PATIENTLY, '--ssh-command', 'hostname'];
  const first = await rig.run(args);
  expect(first.stdout.text).toBe('tiny\n');
  expect(first.stderr.text).toContain('Pulling from vagrant cloud: user/box:v1.0');
  expect(first.stderr.text).toContain('the box contains 2 disks; "root.img" becomes the image');
  const requests = server.requests.length;
  expect((await rig.run(args)).exitCode).toBe(0);
  expect(server.requests).toHaveLength(requests);
});

test('a Transientfile names an xz image on a server by its sum, and boots it', async () => {
  await using server = await HttpServer.start();
  await using rig = new Rig({ fakeQemu: false });
  const content = compressed(readFileSync(tiny), 'xz', '-0', '-T2');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const url = server.serve('/tiny.qcow2.xz', { content });
  rig.write({
    'Transientfile.toml': `
[images.base]
source = "http=${url}"
sha256 = "${sha256}"
[vms.test]
image = "base"
memory = "512M"
accel = "tcg"
cpus = 1
ssh-timeout = 180
ssh-command = "hostname"
`,
  });
  const { exitCode, stdout } = await rig.run(['up']);
  expect(stdout.text).toBe('tiny\n');
  expect(exitCode).toBe(0);
});
