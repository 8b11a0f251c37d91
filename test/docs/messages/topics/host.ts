import { chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { disk } from '../../../rig/disks.ts';
import type { Topic } from '../scenario.ts';
import { CREATED, STORE, base, created, creatingBy } from './parts.ts';

const RUN = 'transient run base --cmd true';

export const host: Topic = {
  title: 'The host: programs, space, permissions',
  intro: '`transient doctor` checks all of this in advance.',
  scenarios: [
    {
      form: "Required program 'PROGRAM' is not installed",
      prepare: (fixture) => {
        fixture.write('base.qcow2', disk('qcow2'));
        fixture.without('qemu-img');
      },
      typed: ['transient image pull base,file=./base.qcow2'],
    },
    {
      form: "Required program 'PROGRAM' is not installed",
      prepare: (fixture) => {
        base(fixture);
        fixture.without('setpriv');
      },
      typed: [RUN],
    },
    {
      form: 'PROGRAM failed (exit code NUMBER)',
      when: 'A program of the host failed; its own error message follows.',
      prepare: (fixture) => {
        base(fixture);
        creatingBy(fixture, "echo 'qemu-img: web-0-base: Could not write: Input/output error' >&2; exit 1");
      },
      typed: [CREATED],
      advice: '`-v` prints its command line.',
    },
    {
      form: 'No space left on the disk of DIRECTORY',
      when: 'A disk of the host is full; `df -h DIRECTORY` shows which one.',
      prepare: (fixture) => {
        base(fixture);
        creatingBy(
          fixture,
          "echo 'qemu-img: web-0-base: Could not write: No space left on device' >&2; exit 1",
        );
      },
      typed: [CREATED],
    },
    {
      form: 'PROGRAM failed (killed by SIGNAL)',
      prepare: (fixture) => {
        base(fixture);
        creatingBy(fixture, 'kill -KILL $$');
      },
      typed: [CREATED],
    },
    {
      form: 'cannot use the runtime directory DIRECTORY: XDG_RUNTIME_DIR: REASON',
      prepare: base,
      typed: [`XDG_RUNTIME_DIR=/home/ada/run ${RUN}`],
    },
    {
      form: 'cannot use the runtime directory DIRECTORY: XDG_RUNTIME_DIR is not a directory',
      prepare: (fixture) => {
        base(fixture);
        fixture.write('/home/ada/run', '');
      },
      typed: [`XDG_RUNTIME_DIR=/home/ada/run ${RUN}`],
    },
    {
      form: 'cannot use the runtime directory DIRECTORY: XDG_RUNTIME_DIR belongs to user NUMBER, and we are user NUMBER',
      when: 'For example after `sudo` or `su`, which keep the variable of the other user.',
      prepare: (fixture) => {
        base(fixture);
        foreign(fixture.place('/home/ada/run'));
      },
      typed: [`XDG_RUNTIME_DIR=/home/ada/run ${RUN}`],
    },
    {
      form: 'cannot use the runtime directory DIRECTORY: the runtime directory is not a directory',
      when: 'Another user has created it.',
      prepare: (fixture) => {
        base(fixture);
        mkdirSync(fixture.place('/home/ada/run'));
        symlinkSync('/tmp', fixture.place('/home/ada/run/transient'));
      },
      typed: [`XDG_RUNTIME_DIR=/home/ada/run ${RUN}`],
    },
    {
      form: 'cannot write logs to DIRECTORY: REASON',
      prepare: (fixture) => {
        base(fixture);
        fixture.write('logs', '');
      },
      typed: [`${RUN} --log-dir ./logs`],
    },
    {
      form: 'cannot write the report PATH: REASON',
      prepare: (fixture) => {
        base(fixture);
        fixture.directory('out.xml');
      },
      typed: [`${RUN} --report junit=./out.xml`],
    },
    {
      form: 'cannot write the report PATH: it is a symbolic link',
      when: 'Reports do not follow links: anyone who can write to that directory, such as a guest that shares it, could redirect the report.',
      prepare: (fixture) => {
        base(fixture);
        fixture.write('elsewhere', '');
        symlinkSync('elsewhere', fixture.place('out.xml'));
      },
      typed: [`${RUN} --report junit=./out.xml`],
    },
    {
      form: 'cannot open PATH: Permission denied',
      when: 'A file of the store belongs to another user, for example because it was created by root.',
      prepare: async (fixture) => {
        await created(fixture);
        fixture.closed(`${STORE}/web/config`);
      },
      typed: ['transient rm web'],
    },
  ],
};

/** Puts a directory of another user in a place: as root one is given away, else there is the root of the tree. */
function foreign(path: string): void {
  const NOBODY = 65_534;
  if (process.getuid?.() === 0) {
    mkdirSync(path);
    chownSync(path, NOBODY, NOBODY);
  } else symlinkSync(join('/'), path);
}
