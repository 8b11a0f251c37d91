import type { Fixture } from '../fixture.ts';

/** A VM of a Transientfile, which may go on. */
export const VM = '[vms.web]\nimage = "base"\n';

/** A second one. */
export const DB = '[vms.db]\nimage = "base"\n';

/** The same with a command. */
export const JOB = `${VM}ssh-command = "make test"\n`;

/** Where images and VMs are stored. */
export const BACKEND = '/home/ada/.local/share/transient/backend';
export const STORE = '/home/ada/.local/share/transient/vmstore';

/** Creates a VM. */
export const CREATED = 'transient create base --name web';

/** Puts the image into the backend that most VMs are made from. */
export function base(fixture: Fixture): void {
  fixture.stored('base');
}

/** The same, and a VM over it. */
export async function created(fixture: Fixture): Promise<void> {
  base(fixture);
  await fixture.run(CREATED);
}

/** Has a script do what qemu-img does when a disk is made; everything else is done by the real one. */
export function creatingBy(fixture: Fixture, script: string): void {
  fixture.program('qemu-img', `[ "$1" = create ] || PATH=\${PATH#*:} exec qemu-img "$@"; ${script}`);
}

/** Starts a command line that goes on, and returns once it has said something. */
export async function goesOn(
  fixture: Fixture,
  line: string,
  pattern: RegExp,
  on: 'stdout' | 'stderr' = 'stdout',
): Promise<void> {
  const program = fixture.start(`exec ${line}`);
  await program.waitFor(pattern, on);
  fixture.afterwards(async () => {
    program.signal('SIGTERM');
    await program.ended;
  });
}
