import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { encodeName, vmPaths } from '../../src/host/store-layout.ts';
import type { StepKind } from '../../src/plan/step.ts';
import type { Faults } from '../fakes/qemu/faults.ts';
import type { Rig } from '../rig/rig.ts';
import { TCG, runDirectories, succeeded } from '../rig/vms.ts';

/** Wait of a step that never ends by itself. */
export interface Scenario {
  /** Cause, as a column of the table. */
  readonly fault: string;
  readonly faults?: Faults;
  /** Puts files in their places and returns the command line. */
  readonly command: (rig: Rig) => string[] | Promise<string[]>;
  readonly env?: (rig: Rig) => NodeJS.ProcessEnv;
  /** Output of stderr, stdout or the fakes once the step waits. */
  readonly waits: (rig: Rig, output: () => string) => boolean;
  /** The end by the step's own deadline: what shortens that, and what is told. Without it only a signal ends the step. */
  readonly deadline?: {
    readonly flags?: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
    readonly message: RegExp;
  };
  /** The exit code of the deadline's end, where that is not 1. */
  readonly code?: number;
}

/** Either the scenarios of a kind of step, or why it waits for nobody. */
export type Row = readonly Scenario[] | string;

const run = (rig: Rig, ...args: readonly string[]): string[] => ['run', rig.stored(), ...TCG, ...args];
const commandOf = (rig: Rig, pattern: RegExp): boolean =>
  rig.entries('command').some(({ command = '' }) => pattern.test(command));

/** An executable of our own that stands for one of the host's. */
function stub(rig: Rig, name: string, script: string): void {
  rig.write({ [`bin/${name}`]: `#!/bin/sh\n${script}\n` });
  chmodSync(join(rig.work, 'bin', name), 0o755);
}

const withStubs = (rig: Rig): NodeJS.ProcessEnv => ({
  PATH: `${join(rig.work, 'bin')}:${rig.environment['PATH'] ?? ''}`,
});

/** A script in the guest that never answers, and a machine that stands still when it begins. */
function inGuest(
  pattern: string,
  command: Scenario['command'],
  deadline: NonNullable<Scenario['deadline']>,
  env?: Scenario['env'],
): Scenario[] {
  const waits: Scenario['waits'] = (rig) => commandOf(rig, new RegExp(pattern));
  const more = env === undefined ? {} : { env };
  return [
    { fault: 'a program that is silent', faults: { hangs: pattern }, command, waits, deadline, ...more },
    { fault: 'a frozen guest', faults: { freezes: pattern }, command, waits, deadline, ...more },
  ];
}

const shared = (rig: Rig): string[] => {
  // the user of the guest may mount, also where that of the tests may not
  stub(rig, 'id', 'echo 0');
  rig.write({ 'folder/file': '' });
  return run(rig, '-s', `./folder:${join(rig.root, 'guest')}`, '--cmd', 'true');
};

const copiesOut = (rig: Rig, ...more: readonly string[]): string[] =>
  run(rig, '--direct-copy', '-a', '/etc/hostname:./out/', ...more);

const offline = (rig: Rig, ...more: readonly string[]): string[] => {
  rig.write({ kernel: '', initrd: '', file: '' });
  return run(rig, '--builder-kernel', './kernel', '--builder-initrd', './initrd', ...more, '--cmd', 'true');
};

const copiedIn = (rig: Rig): string[] => offline(rig, '-b', './file:/etc/');

const lan = (rig: Rig): string[] => {
  rig.stored();
  const vm = 'image = "test"\nnetworks = ["lan"]\nssh-command = "true"\n';
  rig.write({ 'Transientfile.toml': `[networks.lan]\n[vms.a]\n${vm}` });
  return ['up', ...TCG];
};

const ALIVE = ['-o', 'ServerAliveInterval=1', '-o', 'ServerAliveCountMax=1'];

/** A lock that somebody holds who never gives it up; the shell that holds it dies with the rig. */
async function holdLock(rig: Rig, path: string): Promise<void> {
  const holder = rig.startCommand(['flock', '-F', path, 'sh', '-c', 'echo locked; exec sleep 1000']);
  await holder.waitFor(/locked/, 'stdout');
  rig.atEnd(async () => {
    await holder.kill();
    rmSync(path, { force: true });
  });
}

/** A server that accepts connections and says nothing. */
async function silentPort(rig: Rig): Promise<number> {
  const server = createServer((socket) => void socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  rig.atEnd(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Every kind of step, and what may keep it waiting. */
export const TABLE: Readonly<Record<StepKind, Row>> = {
  'image.resolve': [
    {
      fault: 'a server that is silent',
      command: async (rig) => {
        const config = `[mirrors]\n"https://cloud.debian.org/" = "http://127.0.0.1:${await silentPort(rig)}/"\n`;
        mkdirSync(join(rig.home, '.config', 'transient'), { recursive: true });
        writeFileSync(join(rig.home, '.config', 'transient', 'config.toml'), config);
        return ['image', 'pull', 'debian:13'];
      },
      waits: (_rig, output) => output().includes('Resolve image'),
      deadline: {
        env: { TRANSIENT_HTTP_IDLE_TIMEOUT: '0.3' },
        message: /cannot download .*no response within/,
      },
    },
    {
      fault: 'another process that writes the lock file',
      command: async (rig) => {
        mkdirSync(join(rig.backend, '.catalog'));
        await holdLock(rig, join(rig.backend, '.catalog', 'writing.lock'));
        const image = rig.stored('debian:13@20260712-2537');
        const pin = { build: '20260712-2537', url: 'https://cloud.debian.org/images/cloud/image.qcow2' };
        const origin = { source: `cloud=${image}`, sha256: '', pin };
        mkdirSync(join(rig.backend, '.origin'));
        writeFileSync(join(rig.backend, '.origin', `${encodeName(image)}.json`), JSON.stringify(origin));
        rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "debian:13"\nssh-command = "true"\n' });
        return ['up', ...TCG];
      },
      waits: (_rig, output) => output().includes('Waiting for'),
      deadline: { env: { TRANSIENT_PATIENCE: '0.0005' }, message: /gave up after waiting/ },
    },
  ],
  'image.retrieve': [
    {
      fault: 'a server that is silent',
      command: async (rig) => {
        return ['image', 'pull', `new,http=http://127.0.0.1:${await silentPort(rig)}/image.qcow2`];
      },
      waits: (_rig, output) => output().includes('Downloading image'),
      deadline: {
        env: { TRANSIENT_HTTP_IDLE_TIMEOUT: '0.3' },
        message: /cannot download .*no response within/,
      },
    },
    {
      fault: 'another process that retrieves it',
      command: async (rig) => {
        mkdirSync(join(rig.backend, '.working'));
        await holdLock(rig, join(rig.backend, '.working', 'new%lock'));
        return ['image', 'pull', `new,file=${rig.image('disk.raw', 'raw')}`];
      },
      waits: (_rig, output) => output().includes('Unable to find image'),
      deadline: { env: { TRANSIENT_PATIENCE: '0.0005' }, message: /gave up after waiting/ },
    },
    {
      fault: 'a qemu-img that is silent',
      command: (rig) => {
        stub(rig, 'qemu-img', `touch ${join(rig.work, 'asked')}; exec sleep 1000`);
        return ['image', 'pull', `new,file=${rig.image('disk.raw', 'raw')}`];
      },
      env: withStubs,
      waits: (rig) => existsSync(join(rig.work, 'asked')),
    },
  ],
  'image.remove': 'it removes files, under a lock that is waited for as by image.retrieve',
  'image.commit': 'it converts as image.retrieve does',
  'vm.create': [
    {
      fault: 'a qemu-img that is silent',
      command: (rig) => {
        rig.stored();
        stub(rig, 'qemu-img', `touch ${join(rig.work, 'asked')}; exec sleep 1000`);
        return ['create', 'test', '--name', 'x'];
      },
      env: withStubs,
      waits: (rig) => existsSync(join(rig.work, 'asked')),
    },
  ],
  'vm.lock': 'it does not wait: a VM that somebody else has is refused',
  'vm.unlock': 'it closes a file',
  'vm.remove': 'it removes files',
  'vm.stop': [
    {
      fault: 'an owner that stands still',
      command: async (rig) => {
        const owner = rig.start(run(rig, '--name', 'x', '--cmd', 'echo up; sleep 1000'));
        await owner.waitFor(/up/, 'stdout');
        const [qemu] = rig.entries('start');
        for (const pid of [owner.pid, qemu?.pid ?? 0]) process.kill(pid, 'SIGSTOP');
        // it goes on when it is asked to end, and its guest does not
        rig.atEnd(async () => {
          await owner.kill();
          for (const directory of runDirectories(rig)) rmSync(directory, { recursive: true });
        });
        return ['stop', 'x'];
      },
      waits: (_rig, output) => output().includes('Asking process'),
      deadline: {
        env: { TRANSIENT_PATIENCE: '0.003' },
        message: /did not stop it within .* transient stop --kill x/s,
      },
    },
  ],
  'builder.boot': [
    {
      fault: 'a builder that is silent',
      faults: { builder: 'silent' },
      command: copiedIn,
      waits: (_rig, output) => /Lock VM \w+: done/.test(output()),
      deadline: { env: { TRANSIENT_PATIENCE: '0.01' }, message: /the builder VM did not come up within/ },
    },
    {
      fault: 'a builder that sends a line without an end',
      faults: { builder: 'endless' },
      command: copiedIn,
      waits: (_rig, output) => /Lock VM \w+: done/.test(output()),
      deadline: { message: /the builder VM sent more than 1024 KiB in one line/ },
    },
    {
      fault: 'a disk that is never mounted',
      faults: { builder: 'hangs-at-mount' },
      command: copiedIn,
      waits: (_rig, output) => /Lock VM \w+: done/.test(output()),
      deadline: { env: { TRANSIENT_PATIENCE: '0.01' }, message: /the builder VM did not come up within/ },
    },
  ],
  'keys.restore': [
    {
      fault: 'a builder that hangs',
      faults: { builder: 'hangs-at-ask' },
      command: async (rig) => {
        rig.write({ kernel: '', initrd: '' });
        await succeeded(rig, ['create', rig.stored(), '--name', 'x']);
        writeFileSync(vmPaths(rig.vmstore, 'x').loginKey, '');
        return ['commit', 'x', 'new', '--builder-kernel', './kernel', '--builder-initrd', './initrd'];
      },
      waits: (_rig, output) => output().includes('Mount the disk'),
      deadline: {
        env: { TRANSIENT_PATIENCE: '0.02' },
        message: /the builder VM did not respond within/,
      },
    },
  ],
  'builder.stop': [
    {
      fault: 'a disk that is never unmounted',
      faults: { builder: 'hangs-at-off' },
      command: copiedIn,
      waits: (_rig, output) => /Copy in .*: /.test(output()),
      deadline: {
        env: { TRANSIENT_PATIENCE: '0.01' },
        message: /the disk could not be unmounted: .*within.*may be incomplete/s,
      },
    },
  ],
  'copy.in': [
    {
      fault: 'a builder that hangs',
      faults: { builder: 'hangs-at-take' },
      command: copiedIn,
      waits: (_rig, output) => output().includes('Mount the disk to copy in: done'),
      deadline: { flags: ['--copy-timeout', '1'], message: /copying in .* took longer than 1 s/ },
    },
    ...inGuest(
      'chown "',
      (rig) => {
        rig.write({ file: 'x' });
        return run(rig, '--direct-copy', '-b', './file:/tmp/never/', '--cmd', 'true');
      },
      { flags: ['--copy-timeout', '1'], message: /copying in .* took longer than 1 s/ },
    ),
  ],
  'copy.out': inGuest('/etc/hostname', (rig) => copiesOut(rig, '--cmd', 'true'), {
    flags: ['--copy-timeout', '1'],
    message: /copying out .* took longer than 1 s/,
  }),
  'share.serve': [
    {
      fault: 'a virtiofsd that is silent',
      command: (rig) => {
        stub(rig, 'unshare', `touch ${join(rig.work, 'asked')}; exec sleep 1000`);
        stub(rig, 'virtiofsd', 'exit 0');
        rig.write({
          'folder/file': '',
          'vm.toml':
            'shared-folder = [{ host = "./folder", guest = "/srv", via = "virtiofs", readonly = true }]\n',
        });
        return run(rig, '--config', 'vm.toml', '--cmd', 'true');
      },
      env: withStubs,
      waits: (rig) => existsSync(join(rig.work, 'asked')),
      deadline: { env: { TRANSIENT_PATIENCE: '0.1' }, message: /virtiofsd did not start/ },
    },
  ],
  'share.withdraw': 'it kills what serves the folders',
  'share.mount': inGuest(
    'sshfs',
    shared,
    {
      env: { TRANSIENT_PATIENCE: '0.03' },
      message: /the shared folders were not mounted within/,
    },
    withStubs,
  ),
  'share.unmount': 'a row of its own below: a mounted folder takes a guest that can mount',
  'network.open': 'it opens no connection and waits for nobody',
  'network.close': 'it closes a switch of our own',
  'network.join': inGuest('transient: begin', lan, {
    env: { TRANSIENT_PATIENCE: '0.03' },
    message: /the guest did not join "lan" within/,
  }),
  'seed.create': 'it writes small files',
  'seed.remove': 'it removes them',
  'machine.ports': 'it binds ports of the host and lets them go',
  'machine.boot': [
    {
      fault: 'a QEMU that never greets',
      faults: { noQmp: true },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => rig.entries('start').length > 0,
      deadline: { flags: ['--qmp-timeout', '1'], message: /QEMU did not respond .* within 1 s/ },
    },
    {
      fault: 'a QEMU that greets and says nothing more',
      faults: { silentQmp: true },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => rig.entries('qmp').length > 0,
      deadline: { flags: ['--qmp-timeout', '1'], message: /QEMU did not respond .* within 1 s/ },
    },
    {
      fault: 'a QEMU that sends a line without an end',
      faults: { endlessQmp: true },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => rig.entries('qmp').length > 0,
      deadline: { message: /QEMU sent more than 16 MiB in one line/ },
    },
  ],
  'machine.attach': 'it reads a record',
  'machine.console': [
    {
      fault: 'a guest that goes on',
      command: (rig) => run(rig),
      waits: (_rig, output) => output().includes('fake guest'),
    },
  ],
  'machine.hold': [
    {
      fault: 'services that go on',
      command: (rig) => {
        rig.stored();
        rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "test"\n[vms.b]\nimage = "test"\n' });
        return ['up', ...TCG];
      },
      waits: (_rig, output) => output().includes('All services are ready'),
    },
  ],
  'machine.stop': [
    {
      fault: 'a guest that does not power off',
      faults: { ignorePowerdown: true, ignoreTerm: true },
      command: (rig) => run(rig, '--shutdown-timeout', '1', '--cmd', 'true'),
      waits: (rig) => rig.entries('powerdown').length > 0,
      deadline: { message: /the guest did not shut down within 1 s and was terminated/ },
      code: 0,
    },
    {
      fault: 'a QEMU that stands still',
      faults: { freezes: 'true' },
      command: (rig) =>
        run(rig, '--shutdown-timeout', '1000', '--qmp-timeout', '1', ...ALIVE, '--cmd', 'true'),
      waits: (rig) => commandOf(rig, /true/),
      deadline: { message: /VM vm (does|did) not respond; / },
    },
  ],
  'session.end': 'it waits for the steps of the VM that it ends, each of which has a row',
  'guest.ready': [
    {
      fault: 'a guest that does not listen',
      faults: { noSsh: true },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => rig.entries('qmp').length > 0,
      deadline: { flags: ['--ssh-timeout', '1'], message: /the guest did not offer ssh within 1 s/ },
    },
    {
      fault: 'a server that is silent',
      faults: { silentSsh: true },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => rig.entries('qmp').length > 0,
      deadline: { flags: ['--ssh-timeout', '1'], message: /the guest did not offer ssh within 1 s/ },
    },
    {
      fault: 'a server that refuses every login',
      faults: { refuseLogin: true },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => rig.entries('banner').length > 0,
      deadline: {
        flags: ['--ssh-timeout', '1'],
        message: /did not accept a login of user "vagrant" within 1 s/,
      },
    },
    ...inGuest('replaced-by-transient', (rig) => run(rig, '--cmd', 'true'), {
      env: { TRANSIENT_PATIENCE: '0.03' },
      message: /the guest did not respond within/,
    }),
    {
      fault: 'a QEMU that stands still when its port is closed',
      faults: { freezes: 'hostfwd_remove' },
      command: (rig) => run(rig, '--cmd', 'true'),
      waits: (rig) => commandOf(rig, /hostfwd_remove/),
      deadline: { flags: ['--qmp-timeout', '1'], message: /QEMU did not respond .* within 1 s/ },
    },
  ],
  'guest.cloud-init': inGuest(
    'cloud-init status|id -u',
    (rig) => run(rig, '--cloud-init', '--wait-for', 'cloud-init', '--cmd', 'true'),
    { flags: ['--cloud-init-timeout', '2'], message: /cloud-init did not end within 2 s/ },
  ),
  'guest.ready-command': inGuest(
    'settled|id -u',
    (rig) => {
      rig.stored();
      rig.write({
        'Transientfile.toml':
          '[vms.a]\nimage = "test"\nready-command = "settled"\nready-timeout = 2\nssh-command = "true"\n',
      });
      return ['up', ...TCG];
    },
    { message: /the guest was not ready within 2 s/ },
  ),
  'guest.leave': 'it kills the connections',
  'guest.run': [
    ...['', '--report junit=out.xml'].map((more): Scenario => ({
      fault: `a frozen guest ${more}`.trim(),
      faults: { freezes: 'work' },
      command: (rig) => run(rig, ...more.split(' ').filter(Boolean), '--cmd', 'work'),
      waits: (rig) => commandOf(rig, /work/),
      deadline: { flags: ALIVE, message: /the guest stopped responding while "work" ran/ },
    })),
    {
      fault: 'a frozen guest among several',
      faults: { byName: { 'work-a': { freezes: 'work' } } },
      command: (rig) => {
        rig.stored();
        const vm = (name: string, command: string): string =>
          `[vms.${name}]\nimage = "test"\nssh-command = "${command}"\n`;
        rig.write({ 'Transientfile.toml': vm('a', 'work') + vm('b', 'sleep 1000') });
        return ['up', ...TCG];
      },
      waits: (rig) => commandOf(rig, /work/) && commandOf(rig, /sleep/),
      deadline: { flags: ALIVE, message: /a: error: the guest stopped responding while "work" ran/ },
    },
    {
      fault: 'an ssh program of the user that leaves something behind',
      command: (rig) => {
        const script =
          'case "$*" in *ControlMaster* | */bin/sh*) exec ssh "$@" ;; esac; ssh "$@" & sleep 1000 & wait';
        stub(rig, 'my-ssh', script);
        return run(rig, '--ssh-bin-name', join(rig.work, 'bin/my-ssh'), '--cmd', 'work; sleep 1000');
      },
      waits: (rig) => commandOf(rig, /work/),
    },
  ],
  'guest.console': [
    {
      fault: 'a frozen guest',
      faults: { freezes: 'shell' },
      command: (rig) => run(rig, '--ssh'),
      waits: (rig) => commandOf(rig, /shell/),
      deadline: { flags: ALIVE, message: /the guest stopped responding while its console was open/ },
    },
  ],
};
