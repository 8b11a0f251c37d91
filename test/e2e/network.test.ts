import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Rig } from '../rig/rig.ts';
import { succeeded } from '../rig/vms.ts';
import { guest, realRig } from './guests.ts';

const HEAD = `
[project]
name = "net"
[defaults]
memory = "256M"
cpus = 1
accel = "tcg"
ssh-timeout = 180
[images.tiny]
source = "${sourceOf('tiny')}"
[networks.lan]
`;

test('three VMs reach each other by name, each from each, and the host by forwards', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': `${HEAD}
[vms.a]
image = "tiny"
networks = ["lan"]
forward = ["0:8000"]
[vms.b]
image = "tiny"
networks = [{ name = "lan", address = "10.77.0.77" }]
[vms.c]
image = "tiny"
networks = ["lan"]
`,
  });
  const program = rig.start(['up']);
  await program.waitFor(/All services are ready/);
  const addresses = { a: '10.77.0.2', b: '10.77.0.77', c: '10.77.0.3' };
  for (const vm of ['a', 'b', 'c'] as const) {
    const output = await inside(rig, vm, 'for vm in a b c; do sudo ping -c 1 -w 20 $vm | head -n 2; done');
    for (const [name, address] of Object.entries(addresses)) {
      expect(output).toContain(`PING ${name} (${address})`);
      expect(output).toContain(`64 bytes from ${address}`);
    }
  }
  const leased = await inside(rig, 'b', 'sudo udhcpc -n -q -t 10 -i eth1 -s /bin/true 2>&1');
  expect(leased).toContain('lease of 10.77.0.77 obtained');

  const [, port] = await program.waitFor(/VM a: 127\.0\.0\.1:(\d+) → 8000\/tcp/);
  await inside(rig, 'a', '(nc -ll -p 8000 -e cat >/dev/null 2>&1 &)');
  expect(await overTcp(Number(port), 'by tcp')).toBe('by tcp');
  program.signal('SIGINT');
  await program.ended;
});

test('a systemd guest reaches a small one, nothing of its boot waits for the network, and UDP is forwarded', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': `${HEAD}
[images.debian]
source = "${sourceOf('debian')}"
[vms.small]
image = "tiny"
networks = ["lan"]
[vms.large]
image = "debian"
memory = "512M"
networks = ["lan"]
forward = ["0:7000/udp"]
ssh-command = """
getent hosts small
ping -c 1 -w 20 small | grep from
systemctl is-system-running --wait
systemctl list-jobs
perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(7000, INADDR_ANY)); $to = recv(S, $b, 99, 0); send(S, "got $b", 0, $to)'
"""
`,
  });
  const program = rig.start(['up']);
  const [, port] = await program.waitFor(/VM large: 127\.0\.0\.1:(\d+) → 7000\/udp/);
  expect(await overUdp(Number(port), 'a datagram')).toBe('got a datagram');
  const { stdout, exitCode } = await program.ended;
  expect(stdout.text).toMatch(/^large \| 10\.77\.0\.2 +small$/m);
  expect(stdout.text).toContain('64 bytes from small (10.77.0.2)');
  expect(stdout.text).toMatch(/^large \| running$/m);
  expect(stdout.text).toContain('No jobs running.');
  expect(exitCode).toBe(0);
});

async function inside(rig: Rig, vm: string, command: string): Promise<string> {
  return succeeded(rig, ['ssh', `net-${vm}`, '--ssh-timeout', '180', '--cmd', command]);
}

/** A connection is taken before the guest listens, and dropped then: the same is said until there is an answer. */
async function overTcp(port: number, text: string): Promise<string> {
  for (;;) {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write(text);
    const dropped = once(socket, 'close').then(() => undefined);
    const reply = once(socket, 'data').then(([answer]) => String(answer));
    const answer = await Promise.race([reply, dropped]).catch(() => undefined);
    socket.destroy();
    if (answer !== undefined) return answer;
    await delay(500);
  }
}

/** Datagrams may be lost: the same is said until there is an answer. */
async function overUdp(port: number, text: string): Promise<string> {
  const socket = createSocket('udp4');
  const again = setInterval(() => socket.send(text, port, '127.0.0.1'), 500);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  clearInterval(again);
  socket.close();
  return answer.toString();
}

function sourceOf(name: 'tiny' | 'debian'): string {
  return guest(name).replace(/^[^,]*,/, '');
}
