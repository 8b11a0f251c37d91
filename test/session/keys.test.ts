import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VAGRANT_PRIVATE_KEY } from '../../src/guest/vagrant-key.ts';
import type { Program } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';
import { sshProgram } from '../rig/ssh-program.ts';
import { TCG, created, end, runDirectories, running, succeeded, valuesOf } from '../rig/vms.ts';

describe('the Vagrant key', () => {
  test.for(['000', '022', '077', ...(process.getuid?.() === 0 ? ['277', '777'] : [])])(
    'is for us alone whatever the umask is: %s',
    async (mask) => {
      await using rig = new Rig();
      const args = ['run', rig.stored(), ...TCG, '--cmd', 'echo up; read line'];
      const program = underMask(mask, () => rig.start(args));
      await program.waitFor(/up/, 'stdout');
      const [directory = ''] = runDirectories(rig);
      const keys = filesIn(directory).filter((file) => readFileSync(file, 'utf8') === VAGRANT_PRIVATE_KEY);
      expect(keys).not.toEqual([]);
      for (const key of keys) expect(modeOf(key)).toBe('600');
      program.write('\n');
      expect((await program.ended).exitCode).toBe(0);
    },
  );

  test('nothing that others may read lies beside it', async () => {
    await using rig = new Rig();
    const owner = await underMask('000', () => running(rig, ['run', rig.stored()]));
    const [directory = ''] = runDirectories(rig);
    expect(modeOf(join(rig.runtime, 'transient'))).toBe('700');
    expect(modeOf(directory)).toBe('700');
    expect(modeOf(join(directory, '1'))).toBe('700');
    await end(owner);
  });

  test('goes with the session of "ssh", too', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const before = runDirectories(rig);
    await underMask('000', () => succeeded(rig, ['ssh', 'x', '--cmd', 'true']));
    expect(runDirectories(rig)).toEqual(before);
    await end(owner);
  });
});

/** The key files that an ssh program is told of. */
function keysOf(argv: readonly string[] | undefined): string[] {
  return valuesOf(argv, '-o').flatMap((option) => /^IdentityFile="(.*)"$/.exec(option)?.slice(1) ?? []);
}

describe('the keys of the user', () => {
  test('are not offered to a guest that lets in by that of Vagrant', async () => {
    await using rig = new Rig();
    createKey(rig);
    const { path, calls } = sshProgram(rig);
    await succeeded(rig, ['run', rig.stored(), '--cmd', 'true', '--ssh-bin-name', path]);
    for (const argv of calls()) {
      expect(keysOf(argv)).toEqual([expect.stringMatching(/\/vagrant-key$/)]);
      expect(argv).toContain('IdentitiesOnly=yes');
    }
    expect(calls().length).toBeGreaterThan(1);
  });

  test('are offered after that of Vagrant to any other, the likely ones first', async () => {
    await using rig = new Rig();
    const [, authorizedKey] = ['id_rsa', 'id_ed25519', 'id_ecdsa', 'other'].map((name) =>
      createKey(rig, name),
    );
    const { path, calls } = sshProgram(rig);
    const env = { FAKE_QEMU: faults(rig, { authorizedKey }) };
    await succeeded(rig, ['run', rig.stored(), '--cmd', 'true', '--ssh-bin-name', path], env);
    for (const argv of calls().slice(1)) {
      expect(keysOf(argv)).toEqual([
        expect.stringMatching(/\/vagrant-key$/) as string,
        ...['id_ed25519', 'id_rsa', 'id_ecdsa'].map((name) => join(rig.home, '.ssh', name)),
      ]);
    }
    expect(calls().length).toBeGreaterThan(1);
  });

  test('not more of them than a server has patience for', async () => {
    await using rig = new Rig();
    for (const name of ['id_rsa', 'id_ed25519', 'id_ecdsa', 'id_ed25519_sk', 'id_ecdsa_sk'])
      createKey(rig, name);
    const { path, calls } = sshProgram(rig);
    const env = { FAKE_QEMU: faults(rig, { authorizedKey: createKey(rig, 'id_other') }) };
    const args = ['run', rig.stored(), '--cmd', 'true', '--ssh-bin-name', path, '--ssh-timeout', '2'];
    expect((await rig.run(args, { env })).exitCode).toBe(1);
    expect(keysOf(calls()[0])).toHaveLength(1);
    expect(keysOf(calls()[1])).toHaveLength(5);
  });

  test("without any it is Vagrant's alone", async () => {
    await using rig = new Rig();
    const { path, calls } = sshProgram(rig);
    await succeeded(rig, ['run', rig.stored(), '--cmd', 'true', '--ssh-bin-name', path]);
    expect(keysOf(calls()[0])).toEqual([expect.stringMatching(/\/vagrant-key$/)]);
  });

  test('let a command into a guest that knows no other', async () => {
    await using rig = new Rig();
    const authorizedKey = createKey(rig);
    const env = { FAKE_QEMU: faults(rig, { authorizedKey }) };
    const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--cmd', 'echo in'], { env });
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('in\n');
  });

  test('let us see that a service is ready which knows no other', async () => {
    await using rig = new Rig();
    const env = { FAKE_QEMU: faults(rig, { authorizedKey: createKey(rig) }) };
    const service = services(rig, env);
    await service.waitFor(/All services are ready/);
    await end(service);
  });

  test('that lie elsewhere are found by the option of ssh that names them', async () => {
    await using rig = new Rig();
    const authorizedKey = createKey(rig, 'elsewhere/key');
    const env = { FAKE_QEMU: faults(rig, { authorizedKey }) };
    const identity = ['-o', `IdentityFile=${join(rig.home, '.ssh/elsewhere/key')}`];
    const { exitCode } = await rig.run(['run', rig.stored(), '--cmd', 'true', ...identity], { env });
    expect(exitCode).toBe(0);
    for (const options of [identity, ['-o', 'identityfile ~/.ssh/elsewhere/key']]) {
      const service = services(rig, env, ...options);
      await service.waitFor(/All services are ready/);
      await end(service);
    }
  });

  test("that have a passphrase, or are none, are in nobody's way", async () => {
    await using rig = new Rig();
    createKey(rig, 'id_ed25519', 'secret');
    writeFileSync(join(rig.home, '.ssh/id_rsa'), 'no key');
    chmodSync(join(rig.home, '.ssh/id_rsa'), 0o600);
    mkdirSync(join(rig.home, '.ssh/id_ecdsa'));
    expect(await succeeded(rig, ['run', rig.stored(), '--cmd', 'echo in'])).toBe('in\n');
    const service = services(rig, {});
    await service.waitFor(/All services are ready/);
    await end(service);
  });

  test('are reported when none of them helps', async () => {
    await using rig = new Rig();
    createKey(rig);
    const stranger = createKey(rig, 'stranger');
    const env = { FAKE_QEMU: faults(rig, { authorizedKey: stranger }) };
    const args = ['run', rig.stored(), '--cmd', 'true', '--ssh-timeout', '1'];
    const { exitCode, stderr } = await rig.run(args, { env });
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('did not accept a login of user "vagrant"');
  });
});

/** Does something with another umask, which what it starts inherits. */
function underMask<T>(mask: string, work: () => T): T {
  const before = process.umask(Number.parseInt(mask, 8));
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

/** Makes a key of the user's own and returns its public half. */
function createKey(rig: Rig, name = 'id_ed25519', passphrase = ''): string {
  const path = join(rig.home, '.ssh', name);
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', 'me', '-f', path]);
  return readFileSync(`${path}.pub`, 'utf8').trim();
}

function faults(rig: Rig, more: object): string {
  return JSON.stringify({ ...(JSON.parse(rig.environment['FAKE_QEMU'] ?? '{}') as object), ...more });
}

/** Two VMs of which nothing is wanted but that they are there. */
function services(rig: Rig, env: NodeJS.ProcessEnv, ...flags: readonly string[]): Program {
  rig.stored('service');
  rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "service"\n[vms.b]\nimage = "service"\n' });
  return rig.start(['up', ...flags], { env });
}

function filesIn(directory: string): string[] {
  const found = readdirSync(directory, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}
