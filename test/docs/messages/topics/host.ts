import { chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { disk } from '../../../rig/disks.ts';
import type { Topic } from '../scenario.ts';
import { CREATED, STORE, base, created, creatingBy } from './parts.ts';

const RUN = 'transient run base --cmd true';

export const host: Topic = {
  title: 'The host: programs, space, permissions',
  intro: '`transient doctor` looks at all of this before anything goes wrong.',
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
      when: 'A program of the host did not do what it was asked for; what it said itself follows.',
      prepare: (fixture) => {
        base(fixture);
        creatingBy(fixture, "echo 'qemu-img: web-0-base: Could not write: Input/output error' >&2; exit 1");
      },
      typed: [CREATED],
      advice: '`-v` prints its whole command line.',
    },
    {
      form: 'No space left on the disk of DIRECTORY',
      when: 'A disk of the host is full. `df -h DIRECTORY` shows how full, and which one it is.',
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
      when: 'As after `sudo` or `su`, which keep the variable of the other user.',
      prepare: (fixture) => {
        base(fixture);
        foreign(fixture.place('/home/ada/run'));
      },
      typed: [`XDG_RUNTIME_DIR=/home/ada/run ${RUN}`],
    },
    {
      form: 'cannot use the runtime directory DIRECTORY: the runtime directory is not a directory',
      when: 'Somebody else was there first.',
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
      when: 'A report is written where it is named and nowhere else: who can write in that directory, a guest that shares it among them, could lead it elsewhere by a link.',
      prepare: (fixture) => {
        base(fixture);
        fixture.write('elsewhere', '');
        symlinkSync('elsewhere', fixture.place('out.xml'));
      },
      typed: [`${RUN} --report junit=./out.xml`],
    },
    {
      form: 'cannot open PATH: Permission denied',
      when: 'Something of a store is not yours: made as root, for instance.',
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
