import { symlinkSync } from 'node:fs';
import type { Topic } from '../scenario.ts';
import { VM, base } from './parts.ts';

export const commandLine: Topic = {
  title: 'The command line',
  scenarios: [
    {
      form: 'missing command',
      typed: ['transient'],
    },
    {
      form: "there is no command 'COMMAND'",
      typed: ['transient strat web'],
    },
    {
      form: 'unrecognized arguments: ARGUMENTS',
      typed: ['transient run base --ssh-comand true'],
      advice: 'Each command has its own flags: `transient run --help` lists those of `run`.',
    },
    {
      form: 'unrecognized arguments: ARGUMENTS',
      when: 'What a VM consists of is set when it is created, copies when it runs.',
      typed: ['transient create base --copy-in-before ./app.conf:/etc/'],
    },
    {
      form: 'unrecognized arguments: ARGUMENTS',
      when: 'There are more operands than the command takes; a command for the guest must be a single word of the shell.',
      typed: ['transient ssh web make test'],
      advice: "Pass a command with `--cmd`: `transient ssh web --cmd 'make test'`.",
    },
    {
      form: "missing required argument 'NAME'",
      typed: ['transient run'],
    },
    {
      form: "option '--FLAG <VALUE>' argument missing",
      typed: ['transient run base --ssh-port'],
    },
    {
      form: '--FLAG must …',
      when: 'A value is invalid; all problems are reported at once.',
      typed: [
        "transient run base --name .web --memory lots --cpus 0 --cpu 'a b' --ssh-port 70000 --accel hvm --ssh-user 'a b' --ssh-net-driver 'e1000,mac=1' --ssh-command ''",
      ],
      advice: '`transient run --help` describes the values of each flag.',
    },
    {
      form: '--FLAG must …',
      when: 'The same for names of VMs.',
      typed: ['transient create base --name "$(printf \'two\\nlines\')"'],
    },
    {
      form: '--FLAG VALUE must …',
      when: 'One value of a repeatable flag.',
      typed: [
        'transient run base --copy-in-before ./app.conf:etc --copy-out-after out:./out --copy-out-after /:./all --shared-folder ./src:/ --shared-folder src --forward 80 --forward 99999:80 --forward 8080:0 --forward 8080:80/sctp --forward host:8080:80 --forward [::1]:8080:80 --extra-image data,ftp=x',
      ],
    },
    {
      form: 'IMAGE must …',
      typed: ['transient run ,file=./base.qcow2'],
    },
    {
      form: 'SPEC SPEC …',
      when: 'An image spec is `NAME` or `NAME,PROTOCOL=SOURCE`.',
      typed: [
        'transient image pull base,http=base.qcow2 .base,file=./base.qcow2 base,ftp=x base,cloud=debian:',
      ],
    },
    {
      form: 'image "NAME" has two sources: SOURCE and SOURCE',
      typed: ['transient image pull base,file=./one.qcow2 base,file=./two.qcow2'],
    },
    {
      form: 'IMAGE must be a name, without a comma',
      typed: ['transient commit web base2,file=./base.qcow2'],
    },
    {
      form: '--jobs must be a whole number of at least 1, got VALUE',
      files: { 'Transientfile.toml': VM },
      typed: ['transient up --jobs many'],
    },
    {
      form: '--report must be FORM=FILE or FORM=FILE, got VALUE',
      prepare: base,
      typed: ['transient run base --cmd true --report out.xml'],
    },
    {
      form: '--FLAG covers one complete run and cannot be combined with FLAG',
      files: { 'Transientfile.toml': VM },
      typed: ['transient up --detach --report junit=out.xml'],
    },
    {
      form: 'SHELL must be one of SHELLS, got VALUE',
      typed: ['transient completion tcsh'],
    },
    {
      form: "missing required argument 'destination'",
      typed: ['transient cp web:/etc/hostname'],
    },
    {
      form: 'either the sources or the destination must be VM paths, not both',
      typed: ['transient cp web:/etc/hosts db:/etc/hosts'],
      advice: 'To copy a file from one VM to another, copy it to the host first.',
    },
    {
      form: 'either all sources or the destination must be VM paths (VM:/PATH)',
      typed: ['transient cp ./one web:/etc/hosts ./two'],
    },
    {
      form: 'all sources must be VM paths of the same VM',
      typed: ['transient cp web:/etc/hosts db:/etc/hosts ./out/'],
    },
    {
      form: 'several files can only be copied into a directory, but PATH is a symbolic link',
      when: 'The link may come from an earlier copy, and point to where the guest wanted.',
      prepare: (fixture) => symlinkSync('../elsewhere', fixture.place('out')),
      typed: ['transient cp web:/etc/hosts web:/etc/hostname ./out'],
    },
    {
      form: 'PATH already exists',
      when: 'The directory has a Transientfile.',
      files: { 'Transientfile.toml': VM },
      typed: ['transient init --yes'],
    },
    {
      form: 'no answer given; nothing was written',
      when: 'The input ended at one of its questions (^D).',
      typed: ['transient init'],
      onTerminal: true,
    },
    {
      form: 'cannot write PATH: REASON',
      when: 'The directory is not writable.',
      prepare: (fixture) => fixture.readOnly('.'),
      typed: ['transient init --yes'],
    },
    {
      form: '--FLAG must begin and end with a letter or digit and contain only letters, digits, ".", "_" and "-"',
      when: 'Answers become values of a Transientfile, and must be valid there.',
      typed: ["transient init --yes --name 'my shop'"],
    },
  ],
};
