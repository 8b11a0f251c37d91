import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import type { Rig } from '../rig/rig.ts';
import { Terminal } from '../rig/terminal.ts';
import { endOnConsole, loginOnConsole } from './console.ts';
import { guest, PATIENTLY, realRig } from './guests.ts';

const tiny = guest('tiny');

/** Flags of a start that say what a run here needs and `create` has not stored. */
const [, , ...TIMES] = PATIENTLY;

test('create and start: what a guest writes stays, and the backend is as it was', async () => {
  await using rig = realRig();
  const created = await rig.run(['create', '--name', 'bar', '--ssh', ...PATIENTLY, tiny]);
  expect(created.stdout.text).toBe("Created VM 'bar'\n");
  const backend = sums(rig.backend);
  const write = 'echo "first" > mark; nproc';
  expect((await rig.run(['start', 'bar', '--cmd', write, '-c', '2'])).stdout.text).toBe('2\n');
  const again = await rig.run(['start', 'bar'], { stdin: 'cat mark; nproc; exit 3\n' });
  expect([again.exitCode, again.stdout.text]).toEqual([3, 'first\n1\n']);
  expect(sums(rig.backend)).toEqual(backend);

  const committed = await rig.run(['commit', 'bar', 'marked']);
  expect(committed.stdout.text).toBe("Created image 'marked'\n");
  expect((await rig.run(['rm', 'bar'])).exitCode).toBe(0);
  expect((await rig.run(['ps', '-a'])).stdout.text).toMatch(/^NAME .*\n$/);
  const store = sums(rig.vmstore);
  const stateless = await rig.run([
    'run',
    'marked',
    ...PATIENTLY,
    '--cmd',
    'cat mark; echo second > mark; sync',
  ]);
  expect(stateless.stdout.text).toBe('first\n');
  expect(sums(rig.vmstore)).toEqual(store);
});

test('a running VM is listed, entered, refused to others, and stopped', async () => {
  await using rig = realRig();
  const owner = rig.start(['run', tiny, '--name', 'my-vm', ...PATIENTLY, '--cmd', 'echo up; sleep 1000']);
  const inside = ['ssh', 'my-vm', '--wait', ...TIMES.slice(0, 2), '--cmd'];
  const session = await rig.run([...inside, 'head -c 5; echo; exit 7'], { stdin: 'hello and more' });
  expect([session.exitCode, session.stdout.text]).toEqual([7, 'hello\n']);
  expect((await rig.run(['ps', '--ssh'])).stdout.text).toMatch(
    /^my-vm +tiny +Started .*vagrant@127\.0\.0\.1:\d+$/m,
  );
  const second = await rig.run(['start', 'my-vm']);
  expect(second.stderr.text).toContain(`VM 'my-vm' is in use by process ${owner.pid}, since `);
  expect((await rig.run(['image', 'rm', 'tiny'])).stderr.text).toContain(
    "Backend 'tiny' is in use by 'my-vm'",
  );
  expect((await rig.run(['stop', 'my-vm'])).exitCode).toBe(0);
  expect((await owner.ended).exitCode).toBe(143);
  const after = await rig.run(['start', 'my-vm', '--cmd', 'dmesg | grep -c "recovery complete"']);
  // it was shut down in order: its filesystem had nothing to recover
  expect(after.stdout.text).toBe('0\n');
});

test("a store of the Python's starts, takes a config file, and is committed and removed", async () => {
  await using rig = realRig();
  const [, path = ''] = tiny.split('=');
  const image = 'generic%2Falpine38%3Av3.0.2';
  execFileSync('cp', [path, join(rig.backend, image)]);
  execFileSync('chmod', ['a-w', join(rig.backend, image)]);
  const directory = join(rig.vmstore, 'my%2Dvm');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config'), pythonConfig(rig));
  execFileSync('qemu-img', [
    ...['create', '-q', '-f', 'qcow2', '-b', join(rig.backend, image), '-F', 'qcow2'],
    join(directory, `my%2Dvm-0-${image}`),
  ]);
  rig.write({
    'vm.toml': 'ssh_command = "echo mark > mark; nproc"\ncpus = 1\naccel = "tcg"\nssh-timeout = 180\n',
  });
  const started = await rig.run(['start', 'my-vm', '--config', 'vm.toml']);
  expect([started.exitCode, started.stdout.text]).toEqual([0, '1\n']);
  expect((await rig.run(['ps', '-a'])).stdout.text).toMatch(/^my-vm +generic\/alpine38:v3\.0\.2 +Offline/m);
  expect((await rig.run(['commit', 'my-vm', 'marked'])).exitCode).toBe(0);
  expect((await rig.run(['rm', 'my-vm'])).exitCode).toBe(0);
  const kept = await rig.run(['run', 'marked', ...PATIENTLY, '--cmd', 'cat mark']);
  expect(kept.stdout.text).toBe('mark\n');
});

test('persistent VMs of a Transientfile keep what they write, the others nothing', async () => {
  await using rig = realRig();
  const [, path = ''] = tiny.split(',');
  const vm = (name: string, more: string): string =>
    `[vms.${name}]\nimage = "tiny"\nssh-command = "echo ${name} $(cat mark); echo kept > mark"\n${more}\n`;
  const defaults = `[project]\nname = "shop"\n[defaults]\naccel = "tcg"\nmemory = "512M"\ncpus = 1\nssh-timeout = 180\n`;
  rig.write({
    'Transientfile.toml': `${defaults}[images.tiny]\nsource = "${path}"\n${vm('db', 'persistent = true')}${vm('web', '')}`,
  });
  const outputs = [await rig.run(['up']), await rig.run(['up'])].map(({ stdout }) =>
    stdout.text.trim().split('\n').sort(),
  );
  expect(outputs).toEqual([
    ['db  | db', 'web | web'],
    ['db  | db kept', 'web | web'],
  ]);
  expect((await rig.run(['ps', '-a'])).stdout.text).toMatch(/^shop-db +tiny +Offline/m);
});

test('the serial console of a named VM: ^C is for the guest, ^A x ends it, its disk stays', async () => {
  await using rig = realRig();
  await using terminal = new Terminal('named', rig.environment, rig.work);
  const transient = (...args: readonly string[]): string =>
    [process.execPath, inject('binary'), ...args].join(' ');
  // as the users of the Python type it
  terminal.line(
    transient('run', tiny, '--name', 'test-vm', '--accel', 'tcg', '--', '-nographic', '-m', '1G'),
  );
  await loginOnConsole(terminal);
  terminal.line('echo kept > mark; sync; echo "now $((1 + 2))"; sleep 1000');
  await terminal.waitFor(/^now 3$/m);
  await endOnConsole(terminal);
  terminal.line('clear');
  terminal.line(transient('run', tiny, '--name', 'test-vm', '--ssh-console', '--', '-nographic', '-m', '1G'));
  await terminal.waitFor(/vagrant@tiny:~\$$/m);
  terminal.line('cat mark; free -m | awk "/Mem/ { print (\\$2 > 900) }"; exit');
  await terminal.waitFor(/^kept\n1$/m);
  await terminal.waitFor(/host\$$/m);
});

test('a guest that ignores the power button is terminated after --shutdown-timeout, with one warning', async () => {
  await using rig = realRig();
  const command = 'sudo killall -STOP head; exit 4';
  const { exitCode, stderr } = await rig.run([
    ...['run', tiny, ...PATIENTLY, '--name', 'deaf', '--shutdown-timeout', '1', '--cmd', command],
  ]);
  expect(exitCode).toBe(4);
  expect(
    stderr.text.match(/warning: the guest did not shut down within 1 s and was terminated/g),
  ).toHaveLength(1);
});

test('when there is no room for what a stateless VM writes, the run ends and says where that was', async () => {
  await using rig = realRig();
  const full = join(rig.root, 'full');
  mkdirSync(full);
  const command = 'dd if=/dev/urandom of=x bs=1M count=100; sync; echo not reached';
  const inside = [process.execPath, inject('binary'), 'run', tiny, ...PATIENTLY, '--cmd', command];
  const mounted = 'mount -t tmpfs -o size=30M full "$0" && exec "$@"';
  // a namespace of our own, in which anybody may mount
  const { exitCode, stdout, stderr } = await rig.command(
    ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', mounted, full, ...inside],
    { env: { TRANSIENT_SNAPSHOT_DIR: full } },
  );
  expect(stderr.text).toContain(`the VM was ended: ${full}, which holds its disk writes, is full`);
  expect(stderr.text.match(/error:/g)).toHaveLength(1);
  expect([exitCode, stdout.text]).toEqual([1, '']);
});

/** What the Python transient 0.25 stores of a VM: its own options with their defaults written out. */
function pythonConfig(rig: Rig): string {
  return `extra_image = []
image_backend = "${rig.backend}"
name = "my-vm"
primary_image = "generic/alpine38:v3.0.2"
qemu_args = []
qemu_bin_name = "qemu-system-x86_64"
qmp_timeout = 10
sftp_bin_name = "sftp-server"
shared_folder = []
shutdown_timeout = 20
ssh_bin_name = "ssh"
ssh_console = true
ssh_net_driver = "virtio-net-pci"
ssh_option = []
ssh_timeout = 90
ssh_user = "vagrant"
verbose = 0
vmstore = "${rig.vmstore}"
`;
}

/** The sum of every file below a directory, by its path. */
function sums(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => statSync(join(directory, path)).isFile());
  const sum = (path: string): string =>
    createHash('sha256')
      .update(readFileSync(join(directory, path)))
      .digest('hex');
  return Object.fromEntries(files.sort().map((path) => [path, sum(path)]));
}
