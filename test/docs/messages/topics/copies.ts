import { execFileSync } from 'node:child_process';
import { builderProgram } from '../../../../src/builder/args.ts';
import type { Fixture } from '../fixture.ts';
import type { Topic } from '../scenario.ts';
import { CREATED, base } from './parts.ts';

const DIRECT = 'transient run base --direct-copy --cmd true';
const BUILDER = 'transient cp ./app.conf web:/etc/ --builder-kernel ./vmlinuz --builder-initrd ./initrd';

const OWN_BUILDER =
  'transient run base --builder-kernel ./vmlinuz --builder-initrd ./initrd -b ./file:/etc/ --cmd true';

export const copies: Topic = {
  title: 'Copies',
  intro:
    'Each message begins with the pair of paths. Files are copied by a small builder VM to the disk of a stopped VM or, with `--direct-copy`, over ssh to a running one. `cp` prints the same messages as `--copy-in-before` and `--copy-out-after`; the examples below with a failing builder use a kernel and an initramfs of their own.',
  scenarios: [
    {
      form: 'copying in HOST:GUEST: cannot copy HOST from the host: REASON',
      prepare: base,
      typed: [`${DIRECT} --copy-in-before ./app.conf:/srv/`],
    },
    {
      form: 'copying in HOST:GUEST: cannot read HOST: REASON',
      prepare: (fixture) => {
        builder(fixture, answering({}));
        fixture.closed('app.conf');
      },
      typed: [CREATED, BUILDER],
    },
    {
      form: 'copying in HOST:GUEST: cannot write to GUEST in the guest: REASON',
      prepare: (fixture) => {
        withFile(fixture);
        fixture.write('/srv/shop', '');
      },
      typed: [`${DIRECT} --copy-in-before ./app.conf:/srv/shop/etc/`],
      advice:
        'Over ssh, files are copied as root if the user may use `sudo` in the guest without a password, and otherwise as that user.',
    },
    {
      form: 'copying in HOST:GUEST: cannot write GUEST in the guest: REASON',
      prepare: (fixture) => {
        withFile(fixture);
        fixture.guest(
          tar('cat >/dev/null; echo "tar: app.conf: Cannot open: Read-only file system" >&2; exit 2'),
        );
      },
      typed: [`${DIRECT} --copy-in-before ./app.conf:/srv/`],
    },
    {
      form: 'copying in HOST:GUEST: cannot write GUEST in the guest: no space left on its disk',
      prepare: (fixture) => {
        withFile(fixture);
        fixture.guest(
          tar('cat >/dev/null; echo "tar: app.conf: Cannot write: No space left on device" >&2; exit 2'),
        );
      },
      typed: [`${DIRECT} --copy-in-before ./app.conf:/srv/`],
    },
    {
      form: 'copying in HOST:GUEST took longer than SECONDS s',
      prepare: (fixture) => {
        withFile(fixture);
        fixture.guest(tar('exec sleep 10'));
      },
      typed: [`${DIRECT} --copy-timeout 1 --copy-in-before ./app.conf:/srv/`],
    },
    {
      form: 'copying out GUEST:HOST: cannot copy GUEST from the guest: No such file or directory',
      prepare: base,
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
      advice:
        'Copies out are made even if the command failed, in which case its output files may be missing.',
    },
    {
      form: 'copying out GUEST:HOST: cannot copy GUEST from the guest: it is not a file, directory or symbolic link',
      prepare: (fixture) => {
        base(fixture);
        execFileSync('mkfifo', [fixture.place('/srv/events')]);
      },
      typed: [`${DIRECT} --copy-out-after /srv/events:./out/`],
    },
    {
      form: 'copying out GUEST:HOST: cannot read GUEST in the guest: REASON',
      prepare: (fixture) => {
        withLog(fixture);
        fixture.guest(
          tar('head -c 10240 /dev/zero; echo "tar: ./log: Cannot open: Permission denied" >&2; exit 2'),
        );
      },
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
    },
    {
      form: 'copying out GUEST:HOST: the guest did not send NAME',
      prepare: (fixture) => {
        withLog(fixture);
        fixture.guest(tar('head -c 10240 /dev/zero'));
      },
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
    },
    {
      form: 'copying out GUEST:HOST: cannot unpack the files from the guest: REASON',
      when: "Data other than the files arrived, for example output of the guest's login shell.",
      prepare: (fixture) => {
        withLog(fixture);
        fixture.guest(tar('echo "Last login: Mon Mar  2 09:41"'));
      },
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
      advice: 'Check that a command without output prints nothing: `transient ssh web --cmd true`.',
    },
    {
      form: 'copying out GUEST:HOST: cannot write to HOST on the host: REASON',
      prepare: (fixture) => {
        withLog(fixture);
        fixture.directory('out');
        fixture.readOnly('out');
      },
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
    },
    {
      form: 'copying out GUEST:HOST: no space left in DIRECTORY on the host',
      prepare: (fixture) => {
        withLog(fixture);
        fixture.program('tar', tarOfFullDisk());
      },
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
      advice:
        'A copy out also fails if its data exceeds the free space, of which 5 % (at most 1 GB) is reserved.',
    },
    {
      form: 'copying out GUEST:HOST: PATH is a directory on the host and cannot be replaced by a file',
      prepare: (fixture) => {
        withLog(fixture);
        fixture.directory('out/log');
      },
      typed: [`${DIRECT} --copy-out-after /srv/log:./out/`],
    },
    {
      form: 'copying in HOST:GUEST: rsync is not installed in the guest or the builder VM',
      prepare: (fixture) => {
        withFile(fixture);
        fixture.program('rsync', 'exit 1');
        fixture.guest({ rsync: undefined });
      },
      typed: [`${DIRECT} --rsync --copy-in-before ./app.conf:/srv/`],
    },
    {
      form: 'copying in HOST:GUEST: rsync failed: REASON',
      prepare: (fixture) => {
        withFile(fixture);
        fixture.program(
          'rsync',
          'echo "rsync: [receiver] write failed on \\"/srv/app.conf\\": No space left on device (28)" >&2; exit 11',
        );
        fixture.guest({ rsync: '' });
      },
      typed: [`${DIRECT} --rsync --copy-in-before ./app.conf:/srv/`],
    },
    {
      form: 'direct-copy needs ssh, but this VM uses the QEMU console',
      prepare: withFile,
      typed: ['transient run base --direct-copy --copy-in-before ./app.conf:/etc/'],
    },
    {
      form: '--builder-kernel: cannot read PATH: REASON',
      prepare: withFile,
      typed: [CREATED, 'transient cp ./app.conf web:/etc/ --builder-kernel ./vmlinuz'],
    },
    {
      form: '--builder-initrd: cannot read PATH: REASON',
      prepare: withFile,
      typed: [CREATED, 'transient cp ./app.conf web:/etc/ --builder-initrd ./initrd'],
    },
    {
      form: 'the builder VM ended with exit code NUMBER',
      prepare: (fixture) => {
        builder(fixture, "echo 'qemu-system-x86_64: could not load kernel ./vmlinuz' >&2; exit 1");
      },
      typed: [CREATED, BUILDER],
    },
    {
      form: 'the builder VM ended by SIGNAL',
      when: 'It was killed, most often by the kernel because the host ran out of memory. The builder uses 768 MiB.',
      prepare: (fixture) => builder(fixture, 'kill -KILL $$'),
      typed: [CREATED, BUILDER],
    },
    {
      form: 'the disk of the VM cannot be mounted: REASON',
      when: 'The builder does not find an operating system on the disk.',
      prepare: (fixture) =>
        builder(fixture, answering({ mount: 'the disk is encrypted: vda2 (crypto_LUKS)' })),
      typed: [CREATED, BUILDER],
    },
    {
      form: 'the builder VM sent more than NUMBER KiB in one line on its control port',
      when: 'The cause is its kernel or the disk.',
      prepare: customBuilder,
      faults: { builder: 'endless' },
      typed: [OWN_BUILDER],
    },
    {
      form: 'the builder VM did not come up within SECONDS s',
      prepare: (fixture) => {
        customBuilder(fixture);
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.01';
      },
      faults: { builder: 'silent' },
      typed: [OWN_BUILDER],
    },
    {
      form: 'the disk could not be unmounted: REASON',
      prepare: (fixture) => {
        customBuilder(fixture);
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.01';
      },
      faults: { builder: 'hangs-at-off' },
      typed: [OWN_BUILDER],
    },
    {
      form: 'the disk could not be unmounted: REASON',
      prepare: (fixture) =>
        builder(fixture, answering({ off: "umount: can't unmount /mnt: Device or resource busy" })),
      typed: [CREATED, BUILDER],
    },
  ],
};

function withFile(fixture: Fixture): void {
  base(fixture);
  fixture.write('app.conf', 'port = 80\n');
}

function withLog(fixture: Fixture): void {
  base(fixture);
  fixture.write('/srv/log', 'a line\n');
}

/** A tar of the host that finds no room for what it unpacks. */
function tarOfFullDisk(): string {
  const full = 'echo "tar: ./log: Cannot open: No space left on device" >&2; exec sleep 10';
  return `case " $* " in *" -x "*) ${full} ;; esac; PATH=\${PATH#*:} exec tar "$@"`;
}

/** A tar of the guest that does this instead of packing or unpacking. */
function tar(script: string): Record<string, string> {
  return { tar: `[ "$1" = --version ] && exit; ${script}` };
}

/** A VM that copies can go to, and a program in place of the builder's QEMU. */
function builder(fixture: Fixture, script: string): void {
  withFile(fixture);
  fixture.write('vmlinuz', '');
  fixture.write('initrd', '');
  fixture.program(builderProgram(), script);
}

/** A script that speaks on the builder's ports as its init does, and has these requests fail with these words. */
function answering(failures: Readonly<Record<string, string>>): string {
  const answers = {
    take: String.raw`printf '0:0\nno\n/etc/app.conf\0' >&4; cat <&4 >/dev/null; ${done(0, '', '')}`,
    ...Object.fromEntries(Object.entries(failures).map(([request, words]) => [request, done(1, '', words)])),
  };
  const cases = Object.entries(answers).map(([request, answer]) => `${request}) ${answer} ;;`);
  return `echo ready >&3
while read -r request rest <&3; do
  case $request in ${cases.join(' ')} *) ${done(0, '', '')} ;; esac
  [ "$request" != off ] || exit 0
done`;
}

function done(code: number, stdout: string, stderr: string): string {
  const [output, complained] = [stdout, stderr].map((text) => Buffer.from(text).toString('base64') || '-');
  return `echo done ${code} ${output} ${complained} >&3`;
}

/** A builder of the user's own, which is only played. */
function customBuilder(fixture: Fixture): void {
  base(fixture);
  for (const name of ['vmlinuz', 'initrd', 'file']) fixture.write(name, '');
}
