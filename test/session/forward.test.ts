import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { end, running, succeeded, TCG, valuesOf } from '../rig/vms.ts';

describe('a forward', () => {
  test('is reported once the VM runs, and shown by ps, with the port that was picked', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored(), '-p', '0:80', '--forward', '5353:53/udp']);
    expect(owner.log()).toContain('VM vm: 127.0.0.1:40001 → 80/tcp');
    expect(owner.log()).toContain('VM vm: 127.0.0.1:5353 → 53/udp');
    expect(await succeeded(rig, ['ps'])).toMatch(
      /FORWARDS\n.* 127\.0\.0\.1:40001:80\/tcp, 127\.0\.0\.1:5353:53\/udp\n/,
    );
    expect(JSON.parse(await succeeded(rig, ['ps', '--json']))).toMatchObject([
      {
        forwards: [
          { address: '127.0.0.1', host: 40_001, guest: 80, protocol: 'tcp' },
          { address: '127.0.0.1', host: 5353, guest: 53, protocol: 'udp' },
        ],
      },
    ]);
    await end(owner);
  });

  test('is no column of ps where there is none', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    expect(await succeeded(rig, ['ps'])).not.toContain('FORWARDS');
    await end(owner);
  });

  test('gives a VM on the console of QEMU a card too', async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored(), '-p', '0:80', ...TCG]);
    await program.waitFor(/127\.0\.0\.1:40001 → 80\/tcp/);
    program.write('\x01x');
    await program.ended;
    const [netdev = ''] = valuesOf(rig.entries('start')[0]?.argv, '-netdev');
    expect(netdev).toContain(',hostfwd=tcp:127.0.0.1:0-:80');
  });

  test('is kept for a VM that is created with it', async () => {
    await using rig = new Rig();
    await succeeded(rig, ['create', rig.stored(), '--name', 'x', '-p', '0:80']);
    const owner = await running(rig, ['start', 'x']);
    expect(owner.log()).toContain('→ 80/tcp');
    await end(owner);
  });
});

describe('a port that is taken', () => {
  test('is reported before anything boots', async () => {
    await using rig = new Rig();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    rig.stored();
    rig.write({
      'Transientfile.toml': `
        [vms.first]
        image = "test"
        [vms.second]
        image = "test"
        depends-on = ["first"]
        forward = ["${port}:80"]
        ssh-command = "true"
      `,
    });
    const { exitCode, stderr } = await rig.run(['up', ...TCG]);
    server.close();
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(
      `second: error: cannot use port ${port} of 127.0.0.1 for the guest's 80/tcp: it is already in use`,
    );
    expect(rig.entries('start')).toEqual([]);
  });

  test('is another for UDP than for TCP', async () => {
    await using rig = new Rig();
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const run = (protocol: string): ReturnType<Rig['run']> =>
      rig.run(['run', rig.stored(), '--cmd', 'true', '-p', `${port}:80/${protocol}`, ...TCG]);
    const [udp, tcp] = [await run('udp'), await run('tcp')];
    socket.close();
    expect(udp.stderr.text).toContain(`for the guest's 80/udp: it is already in use`);
    expect(tcp.exitCode).toBe(0);
  });
});

test('an address that the host does not have is reported as that', async () => {
  await using rig = new Rig();
  const { stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true', '-p', '192.0.2.1:8080:80', ...TCG]);
  expect(stderr.text).toContain(
    "cannot use port 8080 of 192.0.2.1 for the guest's 80/tcp: the host has no such address",
  );
});

test('one port for two purposes of a VM is refused on the command line', async () => {
  await using rig = new Rig();
  const { exitCode, stderr } = await rig.run(['run', 'x', '--ssh-port', '2222', '-p', '2222:80']);
  expect(exitCode).toBe(2);
  expect(stderr.text).toContain('error: VM "vm" uses host port 2222 twice');
});
