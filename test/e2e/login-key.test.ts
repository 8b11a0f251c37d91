import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { VAGRANT_PRIVATE_KEY } from '../../src/guest/vagrant-key.ts';
import { freePort } from '../rig/free-port.ts';
import { commandLineOf } from '../rig/processes.ts';
import type { Rig } from '../rig/rig.ts';
import { succeeded } from '../rig/vms.ts';
import { guest, PATIENTLY, realRig, tinyProject } from './guests.ts';

const tiny = guest('tiny');

/** Whether anybody on this host can log in to a running VM by the key that everybody has. */
async function letsEverybodyIn(rig: Rig, port: string): Promise<boolean> {
  const key = join(rig.work, 'everybodys-key');
  writeFileSync(key, VAGRANT_PRIVATE_KEY, { mode: 0o600 });
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ];
  const args = ['-F', 'none', ...options.flatMap((option) => ['-o', option]), '-o', 'IdentitiesOnly=yes'];
  return promisify(execFile)('ssh', [...args, '-i', key, '-p', port, 'vagrant@127.0.0.1', 'true']).then(
    () => true,
    () => false,
  );
}

/** The port by which the one VM of a rig is reached from outside. */
async function portOf(rig: Rig): Promise<string> {
  const [vm] = JSON.parse(await succeeded(rig, ['ps', '--json'])) as { ssh: { port: number } }[];
  return String(vm?.ssh.port);
}

test('a VM that stays lets in by its own key alone, and what is committed of it by the key of its image', async () => {
  await using rig = realRig();
  const named = ['run', tiny, '--name', 'a-vm', '--ssh-port', String(await freePort()), ...PATIENTLY];
  const held = rig.start([...named, '--cmd', 'echo up; read -r line; echo "$line"']);
  await held.waitFor(/^up$/m, 'stdout');
  expect(await letsEverybodyIn(rig, await portOf(rig))).toBe(false);
  const beside = await succeeded(rig, ['ssh', 'a-vm', '--cmd', 'echo beside']);
  expect(beside).toBe('beside\n');
  held.write('over\n');
  expect((await held.ended).stdout.text).toBe('up\nover\n');

  const again = await succeeded(rig, ['start', 'a-vm', ...PATIENTLY, '--cmd', 'echo again']);
  expect(again).toBe('again\n');

  await succeeded(rig, ['commit', 'a-vm', 'made']);
  const committed = rig.start([
    'run',
    'made',
    '--insert-key',
    'false',
    '--ssh-port',
    String(await freePort()),
    ...PATIENTLY,
    '--cmd',
    'echo up; read -r line',
  ]);
  await committed.waitFor(/^up$/m, 'stdout');
  expect(await letsEverybodyIn(rig, await portOf(rig))).toBe(true);
  committed.write('\n');
  expect((await committed.ended).exitCode).toBe(0);
  expect(rig.leftovers()).toEqual([]);
});

test('a service is given a key of its own by the login that finds it ready', async () => {
  await using rig = realRig();
  rig.write({
    'Transientfile.toml': tinyProject(`[vms.a]
image = "tiny"
`),
  });
  await succeeded(rig, ['up', '-d']);
  expect(await letsEverybodyIn(rig, await portOf(rig))).toBe(false);
  const keys = await succeeded(rig, ['ssh', 'a', '--cmd', 'cat .ssh/authorized_keys']);
  expect(keys).toContain('made-by-transient');
  await succeeded(rig, ['down']);
});

test('a session closes the port behind its login, which others of its user share', async () => {
  await using rig = realRig();
  rig.write({ 'folder/file': 'x' });
  const args = ['run', tiny, '-s', './folder:/mnt/folder', ...PATIENTLY, '--cmd'];
  const held = rig.start([...args, 'echo up; read -r line; cat /mnt/folder/file']);
  await held.waitFor(/^up$/m, 'stdout');
  const [{ name = '', ssh }] = JSON.parse(await succeeded(rig, ['ps', '--json'])) as [
    { name?: string; ssh: object },
  ];
  expect(ssh).toEqual({ user: 'vagrant' });
  expect(await succeeded(rig, ['ps', '--ssh'])).toContain('vagrant, by transient ssh');
  const [machine = 0] = rig.processes.filter((pid) => /^\S*qemu-system-/.test(commandLineOf(pid)));
  expect(listenersOf(machine)).toEqual([]);
  expect(await succeeded(rig, ['ssh', name, '--cmd', 'id -un'])).toBe('vagrant\n');
  const config = join(rig.work, 'ssh-config');
  writeFileSync(config, await succeeded(rig, ['ssh-config', name]));
  const { stdout } = await rig.command(['ssh', '-F', config, name, 'cat /mnt/folder/file']);
  expect(stdout.text).toBe('x');
  const other = await rig.run(['ssh', name, '--ssh-user', 'root', '--cmd', 'true']);
  expect(other.stderr.text).toContain(`the ssh port of VM '${name}' is closed`);
  held.write('\n');
  expect((await held.ended).stdout.text).toBe('up\nx');
  expect(rig.leftovers()).toEqual([]);
});

/** The addresses on which a process listens for TCP, as /proc/net/tcp has them. */
function listenersOf(pid: number): string[] {
  const sockets = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1, -1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.includes(`socket:[${inode}]`))
    .map(([, address = '']) => address);
}
