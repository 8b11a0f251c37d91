import type { Topic } from '../scenario.ts';
import { JOB, base } from './parts.ts';

export const guest: Topic = {
  title: 'The guest, and ssh to it',
  scenarios: [
    {
      form: 'the serial log of VM NAME has passed NUMBER MB: its beginning is dropped',
      when: 'A warning: a guest that prints without end would fill the disk.',
      prepare: (scene) => {
        base(scene);
        const log = scene.place('logs/vm.serial.log');
        scene.guest({ stress: `head -c 33000000 /dev/zero >>${log}; sleep 2` });
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
        serial: 'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
      },
      typed: ['transient run base --ssh-timeout 0.5 --cmd true'],
      advice:
        'A guest with a network card of another kind than it has drivers for may want `--ssh-net-driver e1000`, one without virtio disks `--no-virtio-scsi`. Under software emulation QEMU 7.2 lets a guest with several processors hang once in some hundred boots, while its kernel patches its own code: `--cpus 1` is safe from that.',
    },
    {
      form: 'the guest offers ssh, but did not let user "USER" in within SECONDS s: REASON',
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
      form: 'the guest was not ready within SECONDS s: COMMAND did not succeed (it has not ended once)',
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
