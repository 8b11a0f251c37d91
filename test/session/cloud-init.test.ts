import { chmodSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { vmPaths } from '../../src/host/store-layout.ts';
import { Rig } from '../rig/rig.ts';
import { Terminal } from '../rig/terminal.ts';
import { sshProgram } from '../rig/ssh-program.ts';
import { TCG, end, runDirectories, running, succeeded, valuesOf } from '../rig/vms.ts';

const DIFFERENT = 'the guest has a different host key than the one in its seed';

/** The disk for cloud-init of each QEMU that was started. */
function seedsOf(rig: Rig): (string | undefined)[] {
  return rig.entries('start').map(({ argv }) => {
    const [blockdev] = valuesOf(argv, '-blockdev');
    return /file\.filename=(.*)$/.exec(blockdev ?? '')?.[1];
  });
}

test('a guest is logged in to by the key of its seed, and its host key is verified', async () => {
  await using rig = new Rig();
  const { path, calls } = sshProgram(rig);
  const args = ['run', rig.stored(), '--cloud-init', ...TCG, '--ssh-bin-name', path, '--cmd', 'echo in'];
  expect(await succeeded(rig, args)).toBe('in\n');
  for (const argv of calls()) {
    expect(argv).toContain('StrictHostKeyChecking=yes');
    expect(argv).not.toContain('StrictHostKeyChecking=no');
  }
  expect(calls().length).toBeGreaterThan(1);
  const [{ argv } = {}] = rig.entries('start');
  expect(valuesOf(argv, '-device')).toContain('virtio-blk-pci,drive=seed');
  expect(valuesOf(argv, '-device')).toContain('virtio-rng-pci,rng=random');
  expect(valuesOf(argv, '-device').join(' ')).toContain('mac=52:54:00:12:34:56');
});

test('while a guest boots, a terminal shows the last line of its console, and nothing else does', async () => {
  const faults = { noSsh: true, serial: '[    1.2] cloud \x1b[31m-\x07 init' };
  await using rig = new Rig({ faults });
  const args = ['run', rig.stored(), '--cloud-init', '--ssh-timeout', '4', ...TCG, '--cmd', 'true'];
  await using terminal = new Terminal('console-line', rig.environment, rig.work);
  terminal.line(rig.commandLine(args).join(' '));
  await terminal.waitFor(/Wait for ssh .*\[ {4}1\.2\] cloud - init/);
  const { stderr } = await rig.run(args);
  expect(stderr.text).toMatch(/Wait for ssh … \d\.\d s$/m);
});

test('a service is found ready in the same way', async () => {
  await using rig = new Rig();
  rig.stored();
  const vm = 'image = "test"\ncloud-init = true\n';
  rig.write({ 'Transientfile.toml': `[vms.a]\n${vm}[vms.b]\n${vm}` });
  const services = rig.start(['up', ...TCG]);
  await services.waitFor(/All services are ready/);
  await end(services);
});

test('keys and seed are private, and gone at the end', async () => {
  await using rig = new Rig();
  rig.stored();
  const owner = await running(rig, ['run', 'test', '--cloud-init']);
  const [directory = ''] = runDirectories(rig);
  const seed = join(directory, 'seed-1');
  expect((statSync(seed).mode & 0o777).toString(8)).toBe('700');
  // the private host key is the guest's alone by now
  expect(readdirSync(seed).sort()).toEqual(['known-hosts', 'login-key', 'seed.iso']);
  for (const file of readdirSync(seed))
    expect((statSync(join(seed, file)).mode & 0o777).toString(8)).toBe('600');
  await end(owner);
  expect(existsSync(directory)).toBe(false);
});

test.for([
  ['a command', ['--cmd', 'true']],
  ['a console', ['--ssh']],
] as const)('a guest with another host key is refused: %s', async ([, args]) => {
  await using rig = new Rig({ faults: { ignoresSeed: true } });
  const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cloud-init', ...TCG, ...args]);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain(DIFFERENT);
  expect(rig.entries('login')).toEqual([]);
});

test('a guest in which nothing of cloud-init has run is told as that', async () => {
  await using rig = new Rig({ faults: { ignoresSeed: true } });
  const { stderr } = await rig.run(['run', rig.stored(), '--cloud-init', ...TCG, '--cmd', 'true']);
  expect(stderr.text).toMatch(
    /nothing on its console is from cloud-init: the image has none, or .*--ssh-user/,
  );
  expect(stderr.text).toContain('Welcome to the fake guest!');
});

test('a guest that cloud-init could not set up is told with the lines of cloud-init', async () => {
  const serial = Array.from({ length: 20 }, (_, index) => `[    9.${index}] clocksource`).join('\r\n');
  await using rig = new Rig({ faults: { refuseLogin: true, serial } });
  const args = ['run', rig.stored(), '--cloud-init', '--ssh-timeout', '1', ...TCG, '--cmd', 'true'];
  const { stderr } = await rig.run(args);
  expect(stderr.text).toMatch(/did not accept a login of user "vagrant" within 1 s/);
  expect(stderr.text).toMatch(
    /lines of cloud-init before:\n.*cloud-init\[321\]: .*\n.*ci-info: no authorized SSH keys/,
  );
  expect(stderr.text).toContain('cloud-init creates that user at the first boot');
});

test('a service with another host key is refused', async () => {
  await using rig = new Rig({ faults: { ignoresSeed: true } });
  rig.stored();
  const vm = 'image = "test"\ncloud-init = true\n';
  rig.write({ 'Transientfile.toml': `[vms.a]\n${vm}[vms.b]\n${vm}` });
  const { exitCode, stderr } = await rig.run(['up', ...TCG]);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain(DIFFERENT);
  expect(rig.entries('login')).toEqual([]);
});

test('the user-data of the user goes to the guest unchanged, and its path is that of the file that names it', async () => {
  await using rig = new Rig();
  rig.stored();
  rig.write({
    'conf/data.sh': '#!/bin/sh\necho unchanged\n',
    'conf/vm.toml': 'user-data = "data.sh"\nssh-command = "sleep 1000"\n',
  });
  const owner = rig.start(['run', 'test', '--config', 'conf/vm.toml', ...TCG]);
  await owner.waitFor(/Wait for ssh: done|Run sleep/);
  const [seed = ''] = seedsOf(rig);
  expect(readFileSync(seed, 'latin1')).toContain('#!/bin/sh\necho unchanged\n\0');
  await end(owner);
});

/** A rig with an image whose guest has a cloud-init that ends like this. */
function ending(status: string): Rig {
  const rig = new Rig();
  rig.stored();
  rig.write({ 'bin/cloud-init': `#!/bin/sh\necho "$*" >>${join(rig.work, 'asked')}\n${status}\n` });
  chmodSync(join(rig.work, 'bin/cloud-init'), 0o755);
  rig.environment['PATH'] = `${join(rig.work, 'bin')}:${rig.environment['PATH'] ?? ''}`;
  return rig;
}

const AWAITED = ['--cloud-init', '--wait-for', 'cloud-init', ...TCG];

test('a guest is ready once cloud-init has ended, at its first boot only', async () => {
  await using rig = ending('[ "$2" = --long ] || { sleep 0.5; touch ended; }');
  const vm = ['--name', 'web', ...AWAITED];
  const stdout = await succeeded(rig, ['run', 'test', ...vm, '--cmd', 'test -e ended && echo after']);
  expect(stdout).toBe('after\n');
  const asked = readFileSync(join(rig.work, 'asked'), 'utf8');
  expect(asked).toBe('status --wait\nstatus --long\n');
  expect(await succeeded(rig, ['start', 'web', ...TCG, '--cmd', 'echo again'])).toBe('again\n');
  expect(readFileSync(join(rig.work, 'asked'), 'utf8')).toBe(asked);
});

test('a service is ready for others once cloud-init has ended', async () => {
  await using rig = ending('[ "$2" = --long ] || { sleep 0.5; touch ended; }');
  const vm = 'image = "test"\ncloud-init = true\n';
  const job = 'depends-on = ["a"]\nssh-command = "test -e ended && echo after"\n';
  rig.write({ 'Transientfile.toml': `[vms.a]\n${vm}wait-for = "cloud-init"\n[vms.b]\n${vm}${job}` });
  expect(await succeeded(rig, ['up', ...TCG])).toContain('after');
});

test.for([
  [0, 0, /^(?!.*(error|warning): )/s],
  [1, 1, /error: cloud-init failed in the guest\n {2}its status:\n {4}status: told\n {2}hint: /],
  [2, 0, /warning: cloud-init has ended with recoverable errors\n {2}its status:\n {4}status: told\n/],
  [127, 1, /error: cannot wait for cloud-init: "cloud-init status" exited with 127\n/],
] as const)('cloud-init that exits with %i', async ([code, exit, message]) => {
  await using rig = ending(`[ "$2" = --wait ] || echo "status: told"; exit ${code}`);
  const { exitCode, stdout, stderr } = await rig.run(['run', 'test', ...AWAITED, '--cmd', 'echo in']);
  expect(exitCode).toBe(exit);
  expect(stdout.text).toBe(exit === 0 ? 'in\n' : '');
  expect(stderr.text).toMatch(message);
});

test.for([
  ['without cloud-init', ['--ssh'], 'VM "vm" waits for cloud-init, but is not set up by it'],
  ['with the console of QEMU', ['--cloud-init'], 'waiting for cloud-init needs ssh, but this VM uses'],
] as const)('a VM %s cannot wait for cloud-init', async ([, args, message]) => {
  await using rig = new Rig();
  const { exitCode, stderr } = await rig.run(['run', rig.stored(), ...args, '--wait-for', 'cloud-init']);
  expect(exitCode).toBe(2);
  expect(stderr.text).toContain(message);
});

test('user-data that cannot be read is reported', async () => {
  await using rig = new Rig();
  const args = ['run', rig.stored(), '--user-data', 'none.yaml', ...TCG, '--cmd', 'true'];
  const { exitCode, stderr } = await rig.run(args);
  expect(exitCode).toBe(1);
  expect(stderr.text).toMatch(/cannot read the user-data .*none\.yaml/);
  expect(rig.entries('start')).toEqual([]);
});

test('a named VM is set up at its first boot, and recognized from then on', async () => {
  await using rig = new Rig();
  const vm = ['--name', 'web', '--cloud-init', ...TCG];
  expect(await succeeded(rig, ['run', rig.stored(), ...vm, '--cmd', 'echo first'])).toBe('first\n');
  const paths = vmPaths(rig.vmstore, 'web');
  expect([paths.loginKey, paths.hostKey, paths.knownHosts].map(existsSync)).toEqual([true, false, true]);
  expect(await succeeded(rig, ['start', 'web', ...TCG, '--cmd', 'echo again'])).toBe('again\n');
  expect(seedsOf(rig)).toEqual([expect.stringMatching(/seed\.iso$/), undefined]);
  expect(valuesOf(rig.entries('start')[1]?.argv, '-device').join(' ')).toContain('mac=52:54:00:12:34:56');

  writeFileSync(paths.knownHosts, readFileSync(paths.knownHosts, 'utf8').replace(/.{8}$/m, 'AAAAAAAA'));
  const { exitCode, stderr } = await rig.run(['start', 'web', ...TCG, '--cmd', 'true']);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain(DIFFERENT);

  await succeeded(rig, ['rm', 'web']);
  expect([paths.loginKey, paths.hostKey, paths.knownHosts].filter(existsSync)).toEqual([]);
});

test('a named VM whose first boot did not come to a login gets the same seed again', async () => {
  await using rig = new Rig();
  const vm = ['--name', 'web', '--cloud-init', '--ssh-timeout', '0.5', ...TCG];
  const env = { FAKE_QEMU: JSON.stringify({ noSsh: true }) };
  const failed = await rig.run(['run', rig.stored(), ...vm, '--cmd', 'true'], { env });
  expect(failed.exitCode).toBe(1);
  const { hostKey, knownHosts } = vmPaths(rig.vmstore, 'web');
  const hostKeyLine = readFileSync(knownHosts, 'utf8');
  expect(await succeeded(rig, ['start', 'web', '--ssh-timeout', '20', ...TCG, '--cmd', 'echo in'])).toBe(
    'in\n',
  );
  expect(readFileSync(knownHosts, 'utf8')).toBe(hostKeyLine);
  expect(seedsOf(rig).at(-1)).toMatch(/seed\.iso$/);
  expect(existsSync(hostKey)).toBe(false);
});

test('sessions of other processes verify the host key, too', async () => {
  await using rig = new Rig();
  rig.stored();
  const owner = await running(rig, ['run', 'test', '--name', 'web', '--cloud-init']);
  expect(await succeeded(rig, ['ssh', 'web', '--cmd', 'echo beside'])).toBe('beside\n');
  const config = await succeeded(rig, ['ssh-config', 'web']);
  expect(config).toContain('StrictHostKeyChecking yes');
  rig.write({ config });
  const { stdout } = await rig.command(['ssh', '-F', 'config', 'web', 'echo by config']);
  expect(stdout.text).toBe('by config\n');
  await end(owner);
});

test('a detached project verifies the host keys of its guests', async () => {
  await using rig = new Rig();
  rig.stored();
  rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "test"\ncloud-init = true\n' });
  await succeeded(rig, ['up', '-d', ...TCG]);
  expect(await succeeded(rig, ['ssh', 'a', '--cmd', 'echo in'])).toBe('in\n');
  expect(await succeeded(rig, ['ssh-config', 'a'])).toContain('StrictHostKeyChecking yes');
  await succeeded(rig, ['down']);
});

test('an image made from a VM with a seed needs no other keys put back', async () => {
  await using rig = new Rig();
  const args = ['run', rig.stored(), '--name', 'web', '--cloud-init', ...TCG, '--cmd', 'true'];
  await succeeded(rig, args);
  expect(await succeeded(rig, ['commit', 'web', 'new', '--plan'])).not.toContain('Restore');
});
