import type { Topic } from '../scenario.ts';
import { CREATED, base } from './parts.ts';

export const qemu: Topic = {
  title: 'QEMU and the machine',
  scenarios: [
    {
      form: 'no KVM, the VM runs in software emulation and will be slow: REASON',
      when: 'A warning if the host cannot use hardware virtualization. Other reasons are that there is no `/dev/kvm`, that you may not open it, or that the processor has neither `vmx` nor `svm` (a VM or a container without nested virtualization).',
      prepare: (fixture) => {
        base(fixture);
        fixture.qemu('qemu-system-riscv64');
      },
      typed: ['transient run base --qemu-bin-name qemu-system-riscv64 --cmd true'],
      advice:
        'If you may not open it, run `sudo usermod -aG kvm $USER` and log in again. Under software emulation, everything takes several times as long: increase `--ssh-timeout`, and `ready-timeout` in a Transientfile.',
    },
    {
      form: 'PROGRAM ended with exit code NUMBER',
      when: 'QEMU rejected its arguments; its own error message follows.',
      prepare: base,
      faults: {
        exitAtOnce: {
          code: 1,
          stderr:
            "qemu-system-x86_64: -device virtio-rgn-pci: 'virtio-rgn-pci' is not a valid device model name",
        },
      },
      typed: ['transient run base --cmd true -- -device virtio-rgn-pci'],
      advice: "`-v` prints QEMU's command line.",
    },
    {
      form: 'PROGRAM ended with exit code NUMBER',
      when: 'It exited while the guest was running.',
      prepare: base,
      faults: { dieAfter: 'command' },
      typed: ["transient run base --cmd 'make test'"],
    },
    {
      form: 'PROGRAM ended by SIGNAL',
      prepare: (fixture) => {
        base(fixture);
        fixture.program('qemu-system-x86_64', 'kill -KILL $$');
      },
      typed: ['transient run base --memory 64G --cmd true'],
      advice: 'Give the VM less memory with `--memory`, or boot fewer VMs at a time with `--jobs`.',
    },
    {
      form: 'QEMU did not respond on its control connection within SECONDS s',
      prepare: base,
      faults: { noQmp: true },
      typed: ['transient run base --qmp-timeout 0.3 --cmd true'],
    },
    {
      form: 'QEMU closed its control connection',
      prepare: base,
      faults: { leavesQmp: true },
      typed: ['transient run base --cmd true'],
    },
    {
      form: 'QEMU sent more than NUMBER MiB in one line on its control connection',
      when: 'It is not QEMU, or it is broken.',
      prepare: base,
      faults: { endlessQmp: true },
      typed: ['transient run base --cmd true'],
    },
    {
      form: 'QEMU rejected a command: REASON',
      prepare: base,
      faults: { refuses: 'human-monitor-command' },
      typed: ['transient run base --cmd true'],
    },
    {
      form: 'the VM was ended: DIRECTORY, which holds its disk writes, is full',
      when: 'The writes of a temporary VM go to memory by default.',
      prepare: (fixture) => {
        base(fixture);
        fixture.directory('/home/ada/scratch');
      },
      faults: { ioError: { nospace: true } },
      typed: [`TRANSIENT_SNAPSHOT_DIR=/home/ada/scratch transient run base --cmd 'make test'`],
      advice: 'A named VM (`--name`) writes to disks in the VM store instead.',
    },
    {
      form: 'the VM was ended: no space left in DIRECTORY, which holds its disks',
      prepare: base,
      faults: { ioError: { nospace: true } },
      typed: [CREATED, "transient start web --cmd 'make test'"],
    },
    {
      form: 'the VM was ended: one of its disks failed: REASON',
      prepare: base,
      faults: { ioError: { nospace: false } },
      typed: ["transient run base --cmd 'make test'"],
    },
    {
      form: 'cannot write to DIRECTORY, set by TRANSIENT_SNAPSHOT_DIR: REASON',
      prepare: base,
      typed: ['TRANSIENT_SNAPSHOT_DIR=/home/ada/scratch transient run base --cmd true'],
    },
    {
      form: 'the guest did not shut down within SECONDS s and was terminated',
      when: 'A warning: the guest did not react to its power button.',
      prepare: base,
      faults: { ignorePowerdown: true },
      typed: [CREATED, `transient start web --shutdown-timeout 0.3 --cmd true`],
      advice:
        'A guest needs a service that handles the button, such as systemd-logind or acpid. Data that it had not yet written to its disk is lost.',
    },
    {
      form: "Required program 'PROGRAM' is not installed",
      prepare: base,
      typed: [`transient run base --qemu-bin-name qemu-system-x86-64 --cmd true`],
      advice: '`transient doctor` checks all programs that VMs need, and prints how to install missing ones.',
    },
  ],
};
