import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectLockName } from '../../../../src/daemon/registry.ts';
import { until } from '../../../rig/until.ts';
import type { Fixture } from '../fixture.ts';
import type { Topic } from '../scenario.ts';
import { withProtocol } from '../../../rig/project-record.ts';
import { JOB, VM, base } from './parts.ts';

const UP = 'transient up --detach';

/** A VM that is asked to shut down, and has a while for that. */
const SLOW = `${VM}shutdown-timeout = 20\n`;

export const detached: Topic = {
  title: 'Detached projects',
  intro: '`transient up --detach` leaves VMs running; `transient logs` prints their output.',
  scenarios: [
    {
      form: 'no VM of this project is running detached',
      files: { 'Transientfile.toml': VM },
      typed: ['transient logs'],
    },
    {
      form: 'VM "NAME" of this project is not running',
      files: { 'Transientfile.toml': VM },
      prepare: upAndDown,
      typed: [UP, 'transient down wbe'],
    },
    {
      form: '--watch runs in the foreground and cannot be combined with --detach',
      files: { 'Transientfile.toml': JOB },
      typed: ['transient up --watch --detach'],
    },
    {
      form: '--watch reads the Transientfile whenever it changes, but a pipe can be read only once',
      files: { 'Transientfile.toml': JOB },
      typed: ['sed s/512M/1G/ Transientfile.toml | transient up --watch --file /dev/stdin'],
    },
    {
      form: 'the project is already running detached, as process NUMBER',
      files: { 'Transientfile.toml': VM },
      prepare: upAndDown,
      typed: [UP, 'transient up --watch'],
    },
    {
      form: 'the process that runs the project exited before it answered',
      when: 'It was killed, and its VMs with it.',
      files: { 'Transientfile.toml': VM },
      prepare: killedMeanwhile,
      faults: { noSsh: true },
      typed: [UP],
    },
    {
      form: 'the project is being ended',
      when: 'A command arrives while the project is being stopped.',
      files: { 'Transientfile.toml': SLOW },
      prepare: ending,
      faults: { ignorePowerdown: true },
      typed: [`${UP} --memory 2G`],
    },
    {
      form: 'process NUMBER, which runs the project, did not answer within SECONDS s',
      when: 'It is suspended, for example.',
      files: { 'Transientfile.toml': VM },
      prepare: stopped,
      typed: [`${UP} --memory 2G`],
    },
    {
      form: 'the project was started by another version of transient',
      when: 'The program has been updated since, and its protocol has changed.',
      files: { 'Transientfile.toml': VM },
      prepare: otherVersion,
      typed: [`${UP} --memory 2G`],
    },
    {
      form: 'another process has held the lock of FILE for SECONDS s without running it',
      when: 'A command that was about to start the project hangs.',
      files: { 'Transientfile.toml': VM },
      prepare: locked,
      typed: [UP],
    },
    {
      form: "VM 'NAME' did not shut down cleanly",
      when: 'The preceding lines and the log of the project show the reason.',
      files: { 'Transientfile.toml': SLOW },
      prepare: ending,
      faults: { ignorePowerdown: true },
      typed: ['transient stop web'],
    },
  ],
};

function upAndDown(fixture: Fixture): void {
  base(fixture);
  fixture.afterwards(async () => {
    await fixture.run('transient down');
  });
}

/** A project that is killed while it comes up. */
function killedMeanwhile(fixture: Fixture): void {
  base(fixture);
  const killed = fixture.rig
    .happened('start')
    .then(async () => process.kill(await ownerOf(fixture), 'SIGKILL'));
  fixture.afterwards(async () => {
    await killed;
    await ended(fixture);
    // what the next command would remove
    rmSync(join(fixture.rig.runtime, 'transient'), { recursive: true });
  });
}

/** A project whose process was stopped. */
async function stopped(fixture: Fixture): Promise<void> {
  upAndDown(fixture);
  await fixture.run(UP);
  const owner = await ownerOf(fixture);
  process.kill(owner, 'SIGSTOP');
  fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.05';
  fixture.afterwards(() => {
    process.kill(owner, 'SIGCONT');
    delete fixture.rig.environment['TRANSIENT_PATIENCE'];
  });
}

/** A project that is run by another version. */
async function otherVersion(fixture: Fixture): Promise<void> {
  upAndDown(fixture);
  await fixture.run(UP);
  const restore = withProtocol(fixture.rig.runtime, 99);
  fixture.afterwards(restore);
}

/** A project whose lock another process has, which does not run it. */
async function locked(fixture: Fixture): Promise<void> {
  base(fixture);
  const directory = join(fixture.rig.runtime, 'transient');
  const lock = join(directory, projectLockName(fixture.place('Transientfile.toml')));
  mkdirSync(directory, { mode: 0o700 });
  fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.05';
  const other = fixture.start(`exec flock -F ${lock} sh -c 'echo locked; exec sleep 60'`);
  await other.waitFor(/locked/, 'stdout');
  fixture.afterwards(async () => {
    await other.kill();
    rmSync(lock, { force: true });
  });
}

/** A project that somebody has told to end, whose guest takes its time for that. */
async function ending(fixture: Fixture): Promise<void> {
  base(fixture);
  await fixture.run(UP);
  const owner = await ownerOf(fixture);
  process.kill(owner, 'SIGTERM');
  await fixture.rig.happened('powerdown');
  fixture.afterwards(async () => {
    process.kill(owner, 'SIGTERM');
    await ended(fixture);
  });
}

async function ended(fixture: Fixture): Promise<void> {
  await until('the end of the project', () => fixture.rig.processes.length === 0);
}

/** The process that runs the project. */
async function ownerOf(fixture: Fixture): Promise<number> {
  for (;;) {
    const { stdout } = await fixture.run('transient ps --json');
    const [{ owner } = {}] = JSON.parse(stdout.text) as { owner?: number }[];
    if (owner !== undefined) return owner;
  }
}
