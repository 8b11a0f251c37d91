import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { loop, qemuArguments } from '../bare-loop.ts';
import { timed } from '../command.ts';
import type { Row } from '../row.ts';
import { times } from '../row.ts';
import type { World } from '../world.ts';
import { MACHINE } from '../world.ts';

/** From the command to a QEMU that ends at once: the name is looked up, the build verified, and the seed created. */
export const keptByName: Row = {
  what: 'run of an image by name, kept and pinned, to the start of QEMU',
  against: 'the same image by a name of the backend',
  ...times(1, 50),
  pairs: 20,
  prepare: async (world) => {
    await pull(world);
    const start = (image: string): Promise<number> =>
      timed([...world.transient, 'run', image, ...MACHINE, '--ssh-command', 'true', '--', '-version'], world);
    return { ours: () => start('bench:1'), reference: () => start(world.guest) };
  },
};

/** From the command to the first login of a cloud image, whose cloud-init sets it up. */
export const firstLogin: Row = {
  what: 'first login of a Debian 12 cloud image',
  against: 'a seed by mtools, and the bare loop',
  ...times(1.03),
  pairs: 3,
  prepare: async (world) => {
    const image = execFileSync('scripts/cloud-image', ['12'], { encoding: 'utf8' }).trim();
    await timed([...world.transient, 'image', 'pull', `cloud,file=${image}`], world);
    const flags = ['cloud', '--cloud-init', '--ssh-user', 'debian', ...MACHINE];
    const seed = seedByHand(world);
    const qemu = qemuArguments(world, flags).map((argument) =>
      argument.replace(/(filename=)[^,]*seed\.iso/, `$1${seed}`),
    );
    return {
      ours: () => timed([...world.transient, 'run', ...flags, '--ssh-command', 'true'], world),
      reference: loop(world, { key: join(world.cwd, 'cloud-key'), user: 'debian', qemu }),
    };
  },
};

/** Retrieves the tiny guest under a name of a catalogue. */
async function pull(world: World): Promise<void> {
  const image = readFileSync(world.guestFile);
  const sums = `${createHash('sha256').update(image).digest('hex')}  1.qcow2\n`;
  const server = createServer(({ url }, response) => response.end(url === '/1.qcow2' ? image : sums));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const catalog = join(world.cwd, '.config', 'transient', 'catalog');
  mkdirSync(catalog, { recursive: true });
  writeFileSync(join(catalog, 'bench.toml'), distribution((server.address() as AddressInfo).port));
  await timed([...world.transient, 'image', 'pull', 'bench:1'], world);
  server.closeAllConnections();
  server.close();
}

function distribution(port: number): string {
  return `title = "Bench"
user = "vagrant"
[architectures]
x86_64 = "amd64"
[resolver]
kind = "checksum-of-file"
base = "http://127.0.0.1:${port}/"
image = "{base}{release}.qcow2"
checksums = "{directory}SHA256SUMS"
[[releases]]
name = "1"
`;
}

/** A seed with a user and a key, as \`cloud-localds --filesystem vfat\` creates it; returns its path. */
function seedByHand({ cwd }: World): string {
  const at = (name: string): string => join(cwd, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('cloud-key')]);
  const key = readFileSync(at('cloud-key.pub'), 'utf8').trim();
  const user = `{ name: debian, shell: /bin/bash, sudo: "ALL=(ALL) NOPASSWD:ALL", ssh_authorized_keys: ["${key}"] }`;
  writeFileSync(at('user-data'), `#cloud-config\nusers: [${user}]\n`);
  writeFileSync(at('meta-data'), 'instance-id: bench\nlocal-hostname: bench\n');
  execFileSync('truncate', ['-s', '1M', at('seed.img')]);
  execFileSync('mkfs.vfat', ['-n', 'cidata', at('seed.img')], { stdio: 'ignore' });
  execFileSync('mcopy', ['-oi', at('seed.img'), at('user-data'), at('meta-data'), '::']);
  return at('seed.img');
}
