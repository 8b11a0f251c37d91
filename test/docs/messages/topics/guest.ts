import type { Topic } from '../scenario.ts';
import { DB, JOB, VM, base } from './parts.ts';

/** A cloud-init that has failed, and one that has ignored something. */
const STATUS_OF_A_FAILURE = `[ "$2" = --wait ] || echo 'status: error
detail: DataSourceNoCloud [seed=/dev/vda]
errors:
  - ("scripts_user", RuntimeError("Runparts: 1 failures (runcmd) in 1 attempted commands"))'
exit 1`;
const STATUS_OF_A_WARNING = `[ "$2" = --wait ] || echo 'status: done
extended_status: degraded done
recoverable_errors:
  WARNING: cloud-config failed schema validation!'
exit 2`;

export const guest: Topic = {
  title: 'The guest and ssh',
  scenarios: [
    {
      form: 'the serial log of VM NAME has exceeded NUMBER MB: its beginning is dropped',
      when: 'A warning: a guest that prints endlessly would fill the disk.',
      prepare: (fixture) => {
        base(fixture);
        const log = fixture.place('logs/vm.serial.log');
        fixture.guest({ stress: `head -c 33000000 /dev/zero >>${log}; sleep 2` });
      },
      typed: ['transient run base --log-dir ./logs --cmd stress'],
      advice: 'The log is rotated each time it reaches this size; `transient logs` prints what is kept.',
    },
    {
      form: 'the guest did not offer ssh within SECONDS s',
      when: 'No ssh server responded on port 22 of the guest. The last lines of the serial console often show the reason. If the console has been silent for long, the message says so: the guest is probably hanging and not just slow.',
      prepare: base,
      faults: {
        noSsh: true,
        serial: 'VFS: Cannot open root device "sda1" or unknown-block(0,0): error -6',
      },
      typed: ['transient run base --ssh-timeout 0.5 --cmd true'],
      advice:
        'A guest without drivers for the network card may need `--ssh-net-driver e1000`, one without virtio drivers `--no-virtio-scsi`. Under software emulation, QEMU 7.2 makes a guest with several processors hang in about one of a hundred boots, while its kernel patches its own code; `--cpus 1` avoids this.',
    },
    {
      form: 'the guest panicked while "COMMAND" ran',
      when: "The guest's kernel reported the panic, on the serial console or through QEMU's pvpanic device. A guest that reboots, powers off or stops responding is reported in the same way, and so are failures in steps other than a command.",
      prepare: base,
      faults: { fate: 'panic-on-serial' },
      typed: ["transient run base --cmd 'make fate'"],
      advice:
        '`--log-dir` keeps the whole console. A JUnit report contains an error, since the result of the command is unknown.',
    },
    {
      form: 'the guest rebooted while "COMMAND" ran',
      prepare: base,
      faults: { fate: 'reboot' },
      typed: ["transient run base --cmd 'make fate'"],
    },
    {
      form: 'the guest powered off while "COMMAND" ran',
      prepare: base,
      faults: { fate: 'poweroff' },
      typed: ["transient run base --cmd 'make fate'"],
    },
    {
      form: 'the guest stopped responding while "COMMAND" ran',
      when: "ssh's keep-alive messages were not answered for a minute with KVM, or for three minutes under software emulation.",
      prepare: base,
      faults: { freezes: 'make' },
      typed: ["transient run base -o ServerAliveInterval=1 -o ServerAliveCountMax=1 --cmd 'make test'"],
      advice: 'To give a slow guest more time, use `--ssh-option ServerAliveCountMax=40`.',
    },
    {
      form: 'the guest panicked',
      when: 'The guest is a service in which nothing was running.',
      prepare: base,
      files: { 'Transientfile.toml': VM + DB },
      faults: { byName: { 'shop-web': { panicsAfter: 300 } } },
      typed: ['transient up'],
    },
    {
      form: 'the guest\'s kernel reported "TEXT"',
      when: 'A warning: the kernel continues after such a fault, and so does the run.',
      prepare: base,
      faults: { serial: '[    1.234567] BUG: kernel NULL pointer dereference, address: 0000000000000000' },
      typed: ["transient run base --cmd 'sleep 0.5'"],
    },
    {
      form: 'the guest did not respond within SECONDS s',
      when: 'The login succeeded, but the guest did not even report its user.',
      prepare: (fixture) => {
        base(fixture);
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.03';
        fixture.write('file', '');
      },
      faults: { hangs: 'id -u' },
      typed: ['transient run base --direct-copy -b ./file:/etc/ --cmd true'],
      advice: 'See [all deadlines](endings.md) and how to change them.',
    },
    {
      form: 'the guest does not run scripts as expected: it returned TEXT instead of its user id',
      when: "Output of the user's login shell is tolerated; a shell that runs something else is not.",
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ id: 'echo This account is not available' });
        fixture.write('file', '');
      },
      typed: ['transient run base --direct-copy -b ./file:/etc/ --cmd true'],
    },
    {
      form: "the guest's ssh server did not run a command of NUMBER bytes",
      when: 'The command is that long, and ssh exited with 255, its code for its own errors.',
      prepare: base,
      typed: ['transient run base --cmd "exit 255 # $(printf \'%9000s\' x)"'],
    },
    {
      form: '"STEP" did not end within SECONDS s of the signal and is ended at once',
      when: 'A warning, after the first signal.',
      prepare: (fixture) => {
        base(fixture);
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.05';
        fixture.signal('command', 'SIGTERM');
      },
      faults: { hangs: 'tar|hostname' },
      typed: ["transient run base --direct-copy -a /etc/hostname:./out/ --cmd 'echo up; sleep 60'"],
      advice: 'See [how a run ends](endings.md).',
    },
    {
      form: 'the guest offers ssh, but did not accept a login of user "USER" within SECONDS s: REASON',
      prepare: base,
      faults: { refuseLogin: true, serial: 'login:' },
      typed: ['transient run base --ssh-timeout 3 --cmd true'],
      advice:
        "Use another key with `--ssh-option IdentityFile=PATH`; `--ssh --ssh-option LogLevel=DEBUG` prints ssh's debug messages.",
    },
    {
      form: 'the guest has a different host key than the one in its seed: it was not logged in to',
      when: 'With `cloud-init`, the host key of a guest is made before its boot, so that no other machine is taken for it. Here the guest has not been given it.',
      prepare: base,
      faults: { ignoresSeed: true },
      typed: ['transient run base --cloud-init --cmd true'],
    },
    {
      form: 'cloud-init failed in the guest',
      when: 'With `wait-for = "cloud-init"`: an error in cloud-init, or in what `user-data` has it do.',
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ 'cloud-init': STATUS_OF_A_FAILURE });
      },
      typed: ['transient run base --cloud-init --wait-for cloud-init --cmd true'],
      advice: 'Copy the logs out to read them: `--direct-copy -a /var/log/cloud-init-output.log:./`.',
    },
    {
      form: 'cloud-init has ended with recoverable errors',
      when: 'A warning: cloud-init did all that it could, and ignored a part of its configuration.',
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ 'cloud-init': STATUS_OF_A_WARNING });
      },
      typed: ['transient run base --cloud-init --wait-for cloud-init --cmd true'],
    },
    {
      form: 'cloud-init did not end within SECONDS s',
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ 'cloud-init': 'sleep 60' });
      },
      typed: ['transient run base --cloud-init --wait-for cloud-init --cloud-init-timeout 2 --cmd true'],
    },
    {
      form: 'cannot wait for cloud-init: "cloud-init status" exited with NUMBER',
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ 'cloud-init': 'echo "cloud-init: not found" >&2; exit 127' });
      },
      typed: ['transient run base --cloud-init --wait-for cloud-init --cmd true'],
    },
    {
      form: 'VM "NAME" waits for cloud-init, but is not set up by it',
      prepare: base,
      files: { 'Transientfile.toml': `${JOB}wait-for = "cloud-init"\n` },
      typed: ['transient up'],
    },
    {
      form: 'VM "NAME" waits for cloud-init, but its image has only PROGRAM',
      files: {
        'Transientfile.toml': '[vms.web]\nimage = "freebsd:15.0"\nwait-for = "cloud-init"\n',
      },
      typed: ['transient up'],
    },
    {
      form: 'waiting for cloud-init needs ssh, but this VM uses the QEMU console',
      prepare: base,
      typed: ['transient run base --cloud-init --wait-for cloud-init'],
    },
    {
      form: 'cannot read the user-data PATH: REASON',
      prepare: base,
      typed: ['transient run base --user-data ./user-data.yaml --cmd true'],
    },
    {
      form: 'the guest was not ready within SECONDS s: COMMAND did not succeed (exit code NUMBER)',
      prepare: base,
      files: {
        'Transientfile.toml': `[vms.db]
image = "base"
ready-command = "echo no response >&2; exit 2"
ready-timeout = 3

[vms.web]
image = "base"
depends-on = ["db"]
ssh-command = "make test"
`,
      },
      typed: ['transient up'],
    },
    {
      form: 'the guest was not ready within SECONDS s: COMMAND did not succeed (it never exited)',
      prepare: base,
      files: {
        'Transientfile.toml': `[vms.db]
image = "base"
ready-command = "sleep 60"
ready-timeout = 1

[vms.web]
image = "base"
depends-on = ["db"]
ssh-command = "make test"
`,
      },
      typed: ['transient up'],
      advice:
        'The command is retried until it exits with 0. It should exit quickly: with 0 if the guest is ready, with any other code if it is not.',
    },
    {
      form: "Required program 'PROGRAM' is not installed",
      prepare: base,
      typed: ['transient run base --ssh-bin-name ssh2 --cmd true'],
    },
    {
      form: "Could not run required program 'PROGRAM': REASON",
      when: 'The path is not that of a program.',
      prepare: base,
      files: { 'my-ssh.sh': 'exec ssh -v "$@"\n', 'Transientfile.toml': JOB },
      typed: ['transient up --ssh-bin-name ./my-ssh.sh'],
      advice: 'Make it executable: `chmod +x my-ssh.sh`.',
    },
  ],
};
