import { join } from 'node:path';
import type { Fixture } from '../fixture.ts';
import type { Topic } from '../scenario.ts';
import { JOB, VM, base } from './parts.ts';

const SHARED = 'transient run base --shared-folder ./src:/srv/src --cmd true';

/** A share that is a device of the machine. */
const DEVICE = (via: string): string =>
  `${JOB}shared-folder = [{ host = "./src", guest = "/srv/src", via = "${via}" }]\n`;

export const shares: Topic = {
  title: 'Shared folders',
  scenarios: [
    {
      form: 'shared folder HOST:GUEST: cannot share HOST: REASON',
      prepare: base,
      typed: [SHARED],
    },
    {
      form: 'shared folder HOST:GUEST: HOST is not a directory',
      prepare: (fixture) => {
        base(fixture);
        fixture.write('src', '');
      },
      typed: [SHARED],
    },
    {
      form: "Required program 'PROGRAM' is not installed",
      prepare: folder,
      typed: [`${SHARED} --sftp-bin-name sftp-server2`],
    },
    {
      form: 'shared folder HOST:GUEST: user USER may not use sudo in the guest, which mounting requires',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({ id: 'echo 1000', sudo: 'exit 1' });
      },
      typed: [SHARED],
    },
    {
      form: 'shared folder HOST:GUEST: sshfs is not installed in the guest',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({ id: 'echo 0', sshfs: undefined });
      },
      typed: [SHARED],
      advice: `If the guest's kernel supports 9p or virtiofs, \`via = "9p"\` or \`via = "virtiofs"\` needs no program in the guest.`,
    },
    {
      form: 'shared folder HOST:GUEST: sshfs failed in the guest: REASON',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({
          id: 'echo 0',
          sshfs: `[ "$1" = --help ] || { echo "fuse: device not found, try 'modprobe fuse' first" >&2; exit 1; }`,
        });
      },
      typed: [SHARED],
    },
    {
      form: 'shared folder HOST:GUEST: cannot create the directory in the guest: REASON',
      prepare: (fixture) => {
        folder(fixture);
        fixture.write('/srv/src', '');
        fixture.guest({ id: 'echo 0', sshfs: 'exit 1' });
      },
      typed: [SHARED],
    },
    {
      form: 'shared folder HOST:GUEST: the SFTP server on the host ended before the folder was mounted (exit code NUMBER)',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({ id: 'echo 0', sshfs: '[ "$1" = --help ] || exec sleep 10' });
        fixture.program('my-sftp-server', "echo 'unknown option -- e' >&2; exit 1");
      },
      typed: [`${SHARED} --sftp-bin-name my-sftp-server`],
    },
    {
      form: 'shared folder HOST:GUEST is gone: its connection to the guest ended (exit code NUMBER)',
      when: 'A warning, while the VM runs.',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest(mounting(fixture, 'sleep 1; exit 1'));
      },
      typed: [SHARED.replace('true', "'sleep 4'")],
    },
    {
      form: 'shared folder HOST:GUEST is gone: the SFTP server on the host ended (exit code NUMBER)',
      when: 'A warning, while the VM runs.',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest(mounting(fixture, 'exec sleep 10'));
        fixture.program(
          'my-sftp-server',
          `until [ -e ${markOf(fixture)} ]; do sleep 0.1; done; sleep 1; exit 255`,
        );
      },
      typed: [`${SHARED.replace('true', "'sleep 4'")} --sftp-bin-name my-sftp-server`],
    },
    {
      form: 'the shared folders were not mounted within SECONDS s',
      prepare: (fixture) => {
        folder(fixture);
        // whoever runs the tests, the guest's user may mount
        fixture.guest({ id: 'echo 0' });
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.02';
      },
      faults: { hangs: 'sshfs' },
      typed: [SHARED],
    },
    {
      form: 'the shared folder at GUEST was still in use in the guest when the session ended',
      when: 'A warning: a program in the guest has its working directory or an open file there.',
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({
          ...mounting(fixture, 'exec /bin/sleep 10'),
          umount: `[ "$1" = -l ] || { echo "umount: /srv/src: target is busy." >&2; exit 32; }`,
          sleep: 'exec /bin/sleep 0.05',
        });
      },
      typed: [SHARED],
      advice: 'Let the command stop such programs, or wait for them.',
    },
    {
      form: "shared folder HOST:GUEST: the guest's kernel does not support 9p",
      files: { 'Transientfile.toml': DEVICE('9p') },
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({ id: 'echo 0', grep: 'exit 1', modprobe: 'exit 1' });
      },
      typed: ['transient up'],
    },
    {
      form: 'shared folder HOST:GUEST: cannot mount it in the guest: REASON',
      files: { 'Transientfile.toml': DEVICE('9p') },
      prepare: (fixture) => {
        folder(fixture);
        fixture.guest({
          id: 'echo 0',
          grep: 'exit 0',
          modprobe: 'exit 0',
          mount: "echo 'mount: /srv/src: special device transient-9p-0 does not exist.' >&2; exit 32",
        });
      },
      typed: ['transient up'],
    },
    {
      form: 'shared folder HOST:GUEST: cannot create the directory in the guest: REASON',
      files: { 'Transientfile.toml': DEVICE('9p') },
      prepare: (fixture) => {
        folder(fixture);
        fixture.write('/srv/src', '');
        fixture.guest({ id: 'echo 0' });
      },
      typed: ['transient up'],
    },
    {
      form: 'shared folder HOST:GUEST: virtiofsd did not start',
      when: 'Its own error message follows. It runs unprivileged in a user namespace, which a host can forbid.',
      files: { 'Transientfile.toml': DEVICE('virtiofs').replace('" }', '", readonly = true }') },
      prepare: (fixture) => {
        folder(fixture);
        fixture.program('virtiofsd', 'exit 1');
        fixture.program('unshare', "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1");
      },
      typed: ['transient up'],
    },
    {
      form: 'virtiofs cannot be combined with -m in the QEMU arguments',
      files: { 'Transientfile.toml': `${DEVICE('virtiofs')}qemu-args = ["-m", "4G"]\n` },
      typed: ['transient up'],
    },
    {
      form: 'VM "NAME" cannot share FOLDER with WAY: the guest could change FILE, which controls what runs on the host',
      when: 'The folder contains the Transientfile, or a program or kernel that it refers to, and writes by 9p or virtiofs cannot be checked.',
      files: {
        'Transientfile.toml': `${JOB}shared-folder = [{ host = "./", guest = "/srv", via = "9p" }]\n`,
      },
      typed: ['transient up'],
    },
    {
      form: 'VM "NAME" has two shared folders at GUEST',
      files: { 'Transientfile.toml': `${VM}shared-folder = ["./src:/srv/src", "./site:/srv/src"]\n` },
      typed: ['transient up'],
    },
  ],
};

function folder(fixture: Fixture): void {
  base(fixture);
  fixture.directory('src');
}

/** A guest in which a folder is seen to be mounted, and an sshfs that does something from then on. */
function mounting(fixture: Fixture, then: string): Record<string, string> {
  const mark = markOf(fixture);
  return {
    id: 'echo 0',
    stat: `[ -e ${mark} ] && echo 2 || echo 1`,
    sshfs: `[ "$1" = --help ] && exit; touch ${mark}; ${then}`,
    umount: 'exit 0',
  };
}

/** A file that is there once the folder is mounted. */
function markOf(fixture: Fixture): string {
  return join(fixture.rig.root, 'mounted');
}
