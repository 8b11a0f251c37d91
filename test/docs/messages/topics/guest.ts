import type { Topic } from '../scenario.ts';
import { DB, JOB, VM, base } from './parts.ts';

export const guest: Topic = {
  title: 'The guest, and ssh to it',
  scenarios: [
    {
      form: 'the serial log of VM NAME has exceeded NUMBER MB: its beginning is dropped',
      when: 'A warning: a guest that prints without end would fill the disk.',
      prepare: (fixture) => {
        base(fixture);
        const log = fixture.place('logs/vm.serial.log');
        fixture.guest({ stress: `head -c 33000000 /dev/zero >>${log}; sleep 2` });
      },
      typed: ['transient run base --log-dir ./logs --cmd stress'],
      advice:
        'It is cut again each time that it has grown so much; `transient logs` prints all that is kept.',
    },
    {
      form: 'the guest did not offer ssh within SECONDS s',
      when: 'Nothing greeted on port 22 of the guest. The last lines of its serial console often tell why; where it has said nothing for long, that is told with them, and the guest hangs rather than being slow.',
      prepare: base,
      faults: {
        noSsh: true,
        serial: 'VFS: Cannot open root device "sda1" or unknown-block(0,0): error -6',
      },
      typed: ['transient run base --ssh-timeout 0.5 --cmd true'],
      advice:
        'A guest with a network card of another kind than it has drivers for may want `--ssh-net-driver e1000`, one without virtio disks `--no-virtio-scsi`. Under software emulation QEMU 7.2 lets a guest with several processors hang once in some hundred boots, while its kernel patches its own code: `--cpus 1` is safe from that.',
    },
    {
      form: 'the guest panicked while "COMMAND" ran',
      when: "Its kernel says so, on the serial console or by QEMU's device for that. A guest that reboots or powers off in the middle, or that stops answering, is told in the same way, and so are other steps than a command.",
      prepare: base,
      faults: { fate: 'panic-on-serial' },
      typed: ["transient run base --cmd 'make fate'"],
      advice:
        'The whole console is kept with `--log-dir`. The exit code is 1, and a JUnit report has an error: what the command would have said is not known.',
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
      when: 'Keep-alives of ssh were not answered: for a minute with KVM, for three under software emulation.',
      prepare: base,
      faults: { freezes: 'make' },
      typed: ["transient run base -o ServerAliveInterval=1 -o ServerAliveCountMax=1 --cmd 'make test'"],
      advice: 'A guest that is only slow has more time with `--ssh-option ServerAliveCountMax=40`.',
    },
    {
      form: 'the guest panicked',
      when: 'One that is a service, and in which nothing was being done.',
      prepare: base,
      files: { 'Transientfile.toml': VM + DB },
      faults: { byName: { 'shop-web': { panicsAfter: 300 } } },
      typed: ['transient up'],
    },
    {
      form: 'the guest\'s kernel reported "TEXT"',
      when: 'A warning: the kernel goes on after such a fault, and so does the run.',
      prepare: base,
      faults: { serial: '[    1.234567] BUG: kernel NULL pointer dereference, address: 0000000000000000' },
      typed: ["transient run base --cmd 'sleep 0.5'"],
    },
    {
      form: 'the guest did not respond within SECONDS s',
      when: 'It let ssh in, and then did not even tell who the user is.',
      prepare: (fixture) => {
        base(fixture);
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.03';
        fixture.write('file', '');
      },
      faults: { hangs: 'id -u' },
      typed: ['transient run base --direct-copy -b ./file:/etc/ --cmd true'],
      advice: '[All deadlines](endings.md) and how to change them.',
    },
    {
      form: 'the guest does not run scripts as expected: it returned TEXT instead of its user id',
      when: 'What the login shell of the user prints on its own is no obstacle; one that runs something else instead is.',
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ id: 'echo This account is not available' });
        fixture.write('file', '');
      },
      typed: ['transient run base --direct-copy -b ./file:/etc/ --cmd true'],
    },
    {
      form: "the guest's ssh server did not run a command of NUMBER bytes",
      when: 'Such a command, and the exit code 255 by which ssh tells of its own faults.',
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
      advice: '[How a run ends](endings.md).',
    },
    {
      form: 'the guest offers ssh, but did not accept a login of user "USER" within SECONDS s: REASON',
      prepare: base,
      faults: { refuseLogin: true, serial: 'login:' },
      typed: ['transient run base --ssh-timeout 3 --cmd true'],
      advice:
        'Another key is named with `--ssh-option IdentityFile=PATH`; `--ssh` without a command shows the conversation of ssh when it is asked for it with `--ssh-option LogLevel=DEBUG`.',
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
        'The command is tried again and again, and is to end at once: with 0 where the guest is ready, with anything else where it is not yet.',
    },
    {
      form: "Required program 'PROGRAM' is not installed",
      prepare: base,
      typed: ['transient run base --ssh-bin-name ssh2 --cmd true'],
    },
    {
      form: "Could not run required program 'PROGRAM': REASON",
      when: 'A program that is named by its path, and is none.',
      prepare: base,
      files: { 'my-ssh.sh': 'exec ssh -v "$@"\n', 'Transientfile.toml': JOB },
      typed: ['transient up --ssh-bin-name ./my-ssh.sh'],
      advice: 'It must be executable: `chmod +x my-ssh.sh`.',
    },
  ],
};
