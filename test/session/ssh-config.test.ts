import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../rig/free-port.ts';
import { Rig } from '../rig/rig.ts';
import { TCG, created, end, running, succeeded } from '../rig/vms.ts';

/** Writes what is printed to a file and runs a command by it in a guest. */
async function reached(rig: Rig, host: string, ...args: readonly string[]): Promise<string> {
  const path = join(rig.root, 'ssh-config');
  writeFileSync(path, await succeeded(rig, ['ssh-config', ...args]));
  const { stdout, stderr } = await rig.command(['ssh', '-F', path, host, 'echo there']);
  return stdout.text + stderr.text;
}

test('ssh reaches a VM by its name', async () => {
  await using rig = new Rig();
  for (const name of ['B', 'other']) await created(rig, name);
  const owners = [await running(rig, ['start', 'B']), await running(rig, ['start', 'other'])];
  expect(await reached(rig, 'B')).toBe('there\n');
  expect(await reached(rig, 'B', 'B')).toBe('there\n');
  expect(await succeeded(rig, ['ssh-config', 'B'])).not.toContain('Host other');
  for (const owner of owners) await end(owner);
  expect(await succeeded(rig, ['ssh-config'])).toBe('');
});

test('in a project also by its short name, elsewhere by its own alone', async () => {
  await using rig = new Rig();
  rig.stored();
  rig.write({
    'shop/Transientfile.toml': `[vms.a]\nimage = "test"\nssh-command = "echo up; sleep 1000"\n`,
    'elsewhere/file': '',
  });
  const owner = rig.start(['up', ...TCG, '--ssh-user', 'root', '-o', 'ServerAliveInterval=7'], {
    cwd: 'shop',
  });
  await owner.waitFor(/^up$/m, 'stdout');
  const [here, other] = [
    await rig.run(['ssh-config', 'a'], { cwd: 'shop' }),
    await rig.run(['ssh-config'], { cwd: 'elsewhere' }),
  ];
  expect(here.stdout.text).toMatch(
    new RegExp(
      [
        '^Host a shop-a',
        ' {2}ServerAliveInterval=7',
        ' {2}HostName 127\\.0\\.0\\.1',
        ' {2}ControlMaster no',
        ` {2}ControlPath "${rig.runtime}/transient/run-[^/]+/1/ssh"`,
        ' {2}User root',
        ` {2}IdentityFile "${rig.runtime}/transient/run-[^/]+/1/vagrant-key"`,
        ' {2}IdentitiesOnly yes',
        ' {2}StrictHostKeyChecking no',
        ' {2}UserKnownHostsFile /dev/null',
        ' {2}LogLevel ERROR\n$',
      ].join('\n'),
    ),
  );
  expect(other.stdout.text).toBe(here.stdout.text.replace('Host a shop-a', 'Host shop-a'));
  expect(await reached(rig, 'shop-a')).toBe('there\n');
  await end(owner);
});

test('a VM that has had no session yet has a key, too', async () => {
  await using rig = new Rig();
  rig.stored();
  const owner = rig.start(['run', 'test', '-v', ...TCG, '--ssh-port', String(await freePort())]);
  // printed once others can find it
  await owner.waitFor(/QEMU is process \d+/);
  expect(await reached(rig, `test-${owner.pid}`)).toBe('there\n');
  await end(owner);
});

test('a name that ssh does not accept becomes a comment', async () => {
  await using rig = new Rig();
  await created(rig, 'a * b');
  const owner = await running(rig, ['start', 'a * b']);
  expect(await succeeded(rig, ['ssh-config'])).toBe('# "a * b" is not a host name that ssh accepts\n');
  await end(owner);
});

test('a VM that does not run, and one without a card, are errors', async () => {
  await using rig = new Rig();
  rig.stored();
  const nobody = await rig.run(['ssh-config', 'nobody']);
  expect(nobody.exitCode).toBe(1);
  expect(nobody.stderr.text).toContain("No running VM found with the name 'nobody'");
  const owner = rig.start(['run', 'test', '-v', ...TCG]);
  // said once others can find it, which the guest may be quicker than
  await owner.waitFor(/QEMU is process \d+/);
  const { exitCode, stderr } = await rig.run(['ssh-config', `test-${owner.pid}`]);
  expect(exitCode).toBe(1);
  expect(stderr.text).toContain('runs without an ssh network card');
  expect(await succeeded(rig, ['ssh-config'])).toBe('');
  await end(owner);
});
