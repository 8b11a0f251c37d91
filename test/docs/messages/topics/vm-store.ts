import { rmSync } from 'node:fs';
import type { Topic } from '../scenario.ts';
import { BACKEND, CREATED, STORE, base, created, goesOn } from './parts.ts';

const LONG = 'machine-for-the-nightly-tests-of-the-shop-with-every-browser-on-every-system-that-there-is-now';

export const vmStore: Topic = {
  title: 'Named VMs and the VM store',
  scenarios: [
    {
      form: "No VM with name 'NAME' found",
      typed: ['transient start web'],
    },
    {
      form: "A VM with name 'NAME' already exists",
      prepare: base,
      typed: [CREATED, CREATED],
    },
    {
      form: "VM 'NAME' was created from image 'IMAGE'; image 'IMAGE' is not used",
      when: 'A warning: `run --name` starts the existing VM.',
      prepare: base,
      typed: [CREATED, 'transient run base2 --name web --cmd true'],
    },
    {
      form: "VM 'NAME' already exists, and disks can only be added when a VM is created",
      prepare: base,
      typed: [CREATED, 'transient run base --name web --extra-image data'],
    },
    {
      form: "VM 'NAME' is in use by process NUMBER, since TIME UTC",
      when: 'It is already running.',
      prepare: async (fixture) => {
        await created(fixture);
        await goesOn(fixture, "transient start web --cmd 'echo up; sleep 1000'", /^up$/m);
      },
      typed: ['transient start web --ssh'],
    },
    {
      form: "VM 'NAME' is in use by process NUMBER, since TIME UTC",
      when: 'An image is being created from it.',
      prepare: async (fixture) => {
        await created(fixture);
        fixture.program(
          'qemu-img',
          '[ "$1" != convert ] || exec sleep 1000; PATH=${PATH#*:} exec qemu-img "$@"',
        );
        await goesOn(fixture, 'transient commit web base-with-web -v', /qemu-img convert/, 'stderr');
      },
      typed: ['transient start web'],
    },
    {
      form: "VM 'NAME' is in use by another process",
      when: 'The process is not known: a Python `transient`, another user, or a process in another container.',
      prepare: async (fixture) => {
        await created(fixture);
        const other = `sh -c 'flock 9; echo locked; exec sleep 1000' 9<${STORE}/web/config`;
        await goesOn(fixture, other, /locked/);
      },
      typed: ['transient start web'],
    },
    {
      form: "No running VM found with the name 'NAME'",
      typed: ["transient ssh web --cmd 'uname -a'"],
    },
    {
      form: "No running VM found with the name 'NAME'",
      typed: ['transient stop web'],
    },
    {
      form: "No running VM found with the name 'NAME'",
      typed: ['transient logs web'],
    },
    {
      form: "No running VM found with the name 'NAME' within SECONDS s",
      typed: ['transient ssh web --wait --ssh-timeout 0.3'],
    },
    {
      form: "VM 'NAME' runs without an ssh network card",
      when: "It runs with QEMU's console only.",
      prepare: async (fixture) => {
        await created(fixture);
        await goesOn(fixture, 'transient start web', /fake guest/);
      },
      typed: ['transient ssh web'],
    },
    {
      form: "VM 'NAME' has no configuration; its creation was interrupted",
      when: "The VM's directory has no file `config`.",
      prepare: (fixture) => fixture.write(`${STORE}/web/web-0-base`, ''),
      typed: ['transient start web'],
    },
    {
      form: 'the VM configuration has no primary_image',
      prepare: (fixture) => fixture.write(`${STORE}/web/config`, 'name = "web"\n'),
      typed: ['transient start web'],
      advice: '`transient rm web` removes it.',
    },
    {
      form: 'unknown key "KEY" in the file',
      when: 'The configuration was edited by hand.',
      prepare: (fixture) =>
        fixture.write(
          `${STORE}/web/config`,
          'primary_image = "base"\nssh_usr = "root"\nssh_timeout = "long"\n',
        ),
      typed: ['transient start web'],
    },
    {
      form: 'cannot read PATH: REASON',
      when: 'The configuration belongs to another user.',
      prepare: (fixture) => {
        fixture.write(`${STORE}/web/config`, 'primary_image = "base"\n');
        fixture.closed(`${STORE}/web/config`);
      },
      typed: ['transient start web'],
    },
    {
      form: "VM 'NAME' has no first disk",
      prepare: async (fixture) => {
        await created(fixture);
        rmSync(fixture.place(`${STORE}/web/web-0-base`));
      },
      typed: ['transient start web'],
    },
    {
      form: "VM 'NAME' needs image 'IMAGE', which is missing: PATH",
      prepare: async (fixture) => {
        await created(fixture);
        rmSync(fixture.place(`${BACKEND}/base`));
      },
      typed: ['transient start web'],
      advice: "It must be the same image: the VM's disk contains only differences from it.",
    },
    {
      form: "the names of VM 'NAME' and image 'IMAGE' are too long together for a file name",
      prepare: (fixture) => fixture.stored(LONG),
      typed: [`transient create ${LONG} --name ${LONG}`],
    },
    {
      form: 'cannot write to the VM store DIRECTORY: REASON',
      prepare: (fixture) => {
        base(fixture);
        fixture.directory('vms');
        fixture.readOnly('vms');
      },
      typed: ['transient create base --name web --vmstore ./vms'],
    },
    {
      form: 'cannot read the VM store DIRECTORY: REASON',
      prepare: (fixture) => fixture.write('vms', ''),
      typed: ['transient ps -a --vmstore ./vms'],
    },
  ],
};
