import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../fakes/qemu/faults.ts';
import { HERE, project } from '../rig/project.ts';
import type { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import { errorsOf } from '../rig/vms.ts';

// Commands of a fake guest run here: VMs of these tests meet in files, and one that waits for a file which another
// one has not written, and does not write meanwhile, never ends. So it is the order that is tested, not the time.

/** All of them may boot at the same time, however small the machine is. */
const TOGETHER = ['--jobs', '9'];
const ORDERLY = 'shutdown-timeout = 10';

describe('a VM waits until another one is', () => {
  test('started: it boots while the other one is not ready yet', async () => {
    await using rig = project({
      db: `ready-command = "test -e ${HERE}/web"\nready-timeout = 20\n${ORDERLY}`,
      web: `depends-on = [{ vm = "db", until = "started" }]\nssh-command = "touch ${HERE}/web"\n${ORDERLY}`,
    });
    const { exitCode } = await rig.run(['up', ...TOGETHER]);
    expect(exitCode).toBe(0);
    expectOrder(rig, ['db start', 'web start', 'web end', 'db powerdown']);
  });

  test.for(['"db"', '{ vm = "db" }', '{ vm = "db", until = "ready" }'])(
    'ready: by its ready-command too, and not its command: %s',
    async (dependency) => {
      await using rig = project({
        db: `ready-command = "test -e ${HERE}/ready || ! touch ${HERE}/ready"
             ssh-command = "until [ -e ${HERE}/web ]; do sleep 0.05; done; echo seen"`,
        web: `depends-on = [${dependency}]\nssh-command = "touch ${HERE}/web"`,
      });
      const { exitCode, stdout } = await rig.run(['up', ...TOGETHER]);
      expect([exitCode, stdout.text]).toEqual([0, 'db  | seen\n']);
      // the first try says no
      const tries = indexesOf(rig, 'db command test -e');
      expect(tries).toHaveLength(2);
      expect(tries[1]).toBeLessThan(indexesOf(rig, 'web start')[0] ?? -1);
    },
  );

  test('done: its command has ended, and it may be gone by then', async () => {
    await using rig = project({
      job: `ssh-command = "sleep 0.3; touch ${HERE}/done"\n${ORDERLY}`,
      web: `depends-on = [{ vm = "job", until = "done" }]
            ssh-command = "test -e ${HERE}/done && until [ -e ${HERE}/gone ]; do sleep 0.05; done"
            ${ORDERLY}`,
    });
    const program = rig.start(['up', ...TOGETHER]);
    // nothing but what it was started for keeps it
    await rig.happened('end', 'work-job');
    rig.write({ gone: '' });
    expect((await program.ended).exitCode).toBe(0);
    expectOrder(rig, ['job command sleep', 'web start']);
    expectOrder(rig, ['job end', 'web end']);
  });
});

test('a diamond: two sides boot together between what both need and what needs both, and it ends the other way', async () => {
  const meets = (other: string, me: string): string =>
    `ready-command = "touch ${HERE}/${me}; test -e ${HERE}/${other}"\nready-timeout = 20`;
  await using rig = project({
    top: `depends-on = ["left", "right"]\nssh-command = "true"\n${ORDERLY}`,
    left: `depends-on = ["base"]\n${meets('right', 'left')}\n${ORDERLY}`,
    right: `depends-on = ["base"]\n${meets('left', 'right')}\n${ORDERLY}`,
    base: ORDERLY,
  });
  const { exitCode } = await rig.run(['up', ...TOGETHER]);
  expect(exitCode).toBe(0);
  for (const side of ['left', 'right']) {
    expectOrder(rig, ['base login', `${side} start`, `${side} command touch`, 'top start', 'top command']);
    expectOrder(rig, ['top powerdown', 'top end', `${side} powerdown`, `${side} end`, 'base powerdown']);
  }
});

describe('a command that fails', () => {
  const FAILING = {
    base: ORDERLY,
    migrate: `depends-on = ["base"]\nssh-command = "echo no such table >&2; exit 6"\n${ORDERLY}`,
    web: 'depends-on = ["base", { vm = "migrate", until = "done" }]',
    client: 'depends-on = ["web"]\nssh-command = "echo never"',
  };
  const WHY = 'because of VM migrate: Run echo no such table >&2; exit 6 ended with exit code 6';

  test('leaves what needs it to be done unstarted, and each says why', async () => {
    await using rig = project(FAILING);
    const { exitCode, stdout, stderr } = await rig.run(['up', ...TOGETHER]);
    expect([exitCode, stdout.text]).toEqual([6, '']);
    expect(linesOf(stderr.text, /is not started/)).toEqual([
      `VM web is not started, ${WHY}`,
      `VM client is not started, ${WHY}`,
    ]);
    expect(stderr.text).toMatch(/^migrate \| no such table$/m);
    // an exit code is a result, and no error of ours
    expect(errorsOf(stderr.text)).toEqual([]);
    expect(startedIn(rig)).toEqual(['base', 'migrate']);
    expectOrder(rig, ['migrate powerdown', 'migrate end', 'base powerdown', 'base end']);
  });

  test('ends a command of another VM, too', async () => {
    await using rig = project({
      other: `ssh-command = "touch ${HERE}/other; sleep 1000"\n${ORDERLY}`,
      fails: `ssh-command = "until [ -e ${HERE}/other ]; do sleep 0.05; done; exit 3"\n${ORDERLY}`,
    });
    const { exitCode, stderr } = await rig.run(['up', ...TOGETHER]);
    expect(exitCode).toBe(3);
    expect(stderr.text).toMatch(/^other: Run .*: interrupted/m);
    expect(rig.entries('powerdown').map(nameOf).sort()).toEqual(['fails', 'other']);
  });

  test('ends only what waits for it to be done, with --keep-going', async () => {
    await using rig = project({
      ...FAILING,
      other: `ssh-command = "until [ -e ${HERE}/over ]; do sleep 0.05; done; echo all the same"`,
      late: `depends-on = ["migrate"]\nssh-command = "echo late"`,
    });
    const program = rig.start(['up', ...TOGETHER, '--keep-going']);
    await program.waitFor(/VM client is not started/);
    rig.write({ over: '' });
    const { exitCode, stdout, stderr } = await program.ended;
    expect(exitCode).toBe(6);
    expect(stdout.text.split('\n').filter(Boolean).sort()).toEqual([
      'late    | late',
      'other   | all the same',
    ]);
    expect(linesOf(stderr.text, /is not started/)).toHaveLength(2);
    expect(startedIn(rig).sort()).toEqual(['base', 'late', 'migrate', 'other']);
  });

  test('and the first of several that fail, with --keep-going, is the exit code', async () => {
    await using rig = project({
      first: `ssh-command = "touch ${HERE}/first; exit 7"`,
      second: 'depends-on = [{ vm = "third", until = "done" }]\nssh-command = "exit 9"',
      third: `ssh-command = "until [ -e ${HERE}/first ]; do sleep 0.05; done; sleep 0.5"`,
    });
    const { exitCode } = await rig.run(['up', ...TOGETHER, '--keep-going']);
    expect(exitCode).toBe(7);
    expect(startedIn(rig).sort()).toEqual(['first', 'second', 'third']);
  });
});

test('a VM that does not boot is reported once, and why others are not started; others go on with --keep-going', async () => {
  const faults = { byName: { 'work-db': { exitAtOnce: { code: 1, stderr: 'qemu: bad option' } } } };
  await using rig = project(
    {
      db: '',
      web: 'depends-on = ["db"]\nssh-command = "true"',
      other: `ssh-command = "until [ -e ${HERE}/over ]; do sleep 0.05; done; echo well"`,
    },
    faults,
  );
  const program = rig.start(['up', ...TOGETHER, '--keep-going']);
  await program.waitFor(/^VM web is not started, because of VM db: Boot failed$/m);
  rig.write({ over: '' });
  const { exitCode, stdout, stderr } = await program.ended;
  expect([exitCode, stdout.text]).toEqual([1, 'other | well\n']);
  expect(errorsOf(stderr.text)).toHaveLength(1);
});

describe('how many boot at a time', () => {
  const THREE = {
    a: 'ready-command = "true # a"\nssh-command = "true"',
    b: 'ready-command = "true # b"\nssh-command = "true"',
    c: 'ready-command = "true # c"\nssh-command = "true"',
  };
  const TOLD = /boots? at a time \(--jobs\)/g;

  test('one: the next one boots when the one before it is ready, and that is printed once', async () => {
    await using rig = project(THREE, { bannerDelay: 50 });
    const { exitCode, stderr } = await rig.run(['up', '--jobs', '1']);
    expect(exitCode).toBe(0);
    expect(stderr.text.match(TOLD)).toHaveLength(1);
    const [first, second, third] = startedIn(rig);
    expectOrder(rig, [
      `${first} command true #`,
      `${second} start`,
      `${second} command true #`,
      `${third} start`,
    ]);
  });

  test('one, and it fails: the others are not started', async () => {
    await using rig = project(THREE, { exitAtOnce: { code: 1, stderr: 'no' } });
    const { exitCode, stderr } = await rig.run(['up', '--jobs', '1']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toHaveLength(1);
  });

  test('one, and with --keep-going the others have their turn after it', async () => {
    const bad = { exitAtOnce: { code: 1, stderr: 'no' } };
    await using rig = project(THREE, { byName: { 'work-a': bad, 'work-b': bad } });
    const { exitCode, stderr } = await rig.run(['up', '--jobs', '1', '--keep-going']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toHaveLength(2);
    expect(indexesOf(rig, 'c command true')).toHaveLength(2);
  });

  test('as many as there are: nothing is printed', async () => {
    await using rig = project(THREE);
    const { exitCode, stderr } = await rig.run(['up', '--jobs', '3']);
    expect(exitCode).toBe(0);
    expect(stderr.text).not.toMatch(TOLD);
  });

  test.for(['0', '-1', 'abc', '1.5', '', '1e3', '99999'])('%j is refused', async (jobs) => {
    await using rig = project(THREE);
    const { exitCode, stderr } = await rig.run(['up', `--jobs=${jobs}`]);
    expect(exitCode).toBe(2);
    expect(stderr.text).toContain(`--jobs must be a whole number of at least 1, got ${JSON.stringify(jobs)}`);
    expect(rig.entries()).toEqual([]);
  });
});

describe('a ready-command', () => {
  const counting = (then: string): string =>
    `ready-command = """echo try >>${HERE}/tries; n=$(wc -l <${HERE}/tries); ${then}"""`;

  test('is tried again until it succeeds', async () => {
    await using rig = project({
      db: counting('echo "$n tries"; test $n -ge 3'),
      web: `depends-on = ["db"]\nssh-command = "wc -l <${HERE}/tries"`,
    });
    const { exitCode, stdout, stderr } = await rig.run(['up']);
    // and what it says is nobody's output
    expect([exitCode, stdout.text]).toEqual([0, 'web | 3\n']);
    expect(stderr.text).not.toContain('tries"\n');
    expect(stderr.text).not.toContain('3 tries');
  });

  test('of a single VM comes before its own command', async () => {
    await using rig = project({
      only: `${counting('test $n -ge 2')}\nssh-command = "wc -l <${HERE}/tries"`,
    });
    const { exitCode, stdout } = await rig.run(['up']);
    expect([exitCode, stdout.text]).toEqual([0, '2\n']);
  });

  test('that never succeeds ends the run with what it last said', async () => {
    await using rig = project({
      db: `${counting('echo "try $n"; echo the disk is full >&2; exit 5')}\nready-timeout = 2\n${ORDERLY}`,
      web: 'depends-on = ["db"]\nssh-command = "echo never"',
    });
    const { exitCode, stdout, stderr } = await rig.run(['up']);
    expect([exitCode, stdout.text]).toEqual([1, '']);
    expect(stderr.text).toMatch(
      /^db: error: the guest was not ready within 2 s: echo try .* did not succeed \(exit code 5\)$/m,
    );
    const tries = readFileSync(join(rig.work, 'tries'), 'utf8').split('\n').length - 1;
    const last = /^ *its last output:\n +try (\d+)\n +the disk is full$/m.exec(stderr.text)?.[1];
    // one more may have begun
    expect(tries - Number(last)).toBeOneOf([0, 1]);
    expect(stderr.text).toContain('hint: raise the limit with ready-timeout');
    expect(stderr.text).toMatch(/^VM web is not started, because of VM db: Wait for .* failed$/m);
    expect(startedIn(rig)).toEqual(['db']);
    expect(rig.entries('powerdown').map(nameOf)).toEqual(['db']);
  });

  test('that does not end is reported as such', async () => {
    await using rig = project({
      db: 'ready-command = "sleep 1000"\nready-timeout = 1',
      web: 'depends-on = ["db"]\nssh-command = "echo never"',
    });
    const { exitCode, stderr } = await rig.run(['up']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('sleep 1000 did not succeed (it never exited)');
  });

  test('is ended by a signal, in order', async () => {
    await using rig = project({
      db: `ready-command = "touch ${HERE}/trying; sleep 1000"\n${ORDERLY}`,
      web: 'depends-on = ["db"]\nssh-command = "echo never"',
    });
    const program = rig.start(['up']);
    await until('the first try', () => existsSync(join(rig.work, 'trying')));
    program.signal('SIGINT');
    const { exitCode, stderr } = await program.ended;
    expect(exitCode).toBe(130);
    expect(errorsOf(stderr.text)).toEqual([]);
    expect(startedIn(rig)).toEqual(['db']);
    expect(rig.entries('powerdown').map(nameOf)).toEqual(['db']);
  });
});

describe('a VM that ends while its ready-command is tried', () => {
  const VMS = {
    db: `ready-command = "touch ${HERE}/trying; sleep 1000"`,
    web: 'depends-on = ["db"]\nssh-command = "echo never"',
  };

  test('in order: nothing failed, and what needs it is not started', async () => {
    await using rig = project(VMS);
    const program = rig.start(['up']);
    await until('the first try', () => existsSync(join(rig.work, 'trying')));
    process.kill(rig.entries('start')[0]?.pid ?? 0, 'SIGTERM');
    const { exitCode, stderr } = await program.ended;
    expect([exitCode, errorsOf(stderr.text)]).toEqual([0, []]);
    expect(linesOf(stderr.text, /is not started/).join()).toMatch(
      /^VM web .* VM db: .*the machine was shut down$/,
    );
  });

  test('by a fault: that is reported at once', async () => {
    await using rig = project(VMS);
    const program = rig.start(['up']);
    await until('the first try', () => existsSync(join(rig.work, 'trying')));
    process.kill(rig.entries('start')[0]?.pid ?? 0, 'SIGKILL');
    const { exitCode, stderr } = await program.ended;
    expect([exitCode, errorsOf(stderr.text)]).toEqual([1, ['qemu-system-x86_64 ended by SIGKILL']]);
  });
});

test('one at a time goes with a console that waits for a VM which is only started', async () => {
  await using rig = project({
    job: 'ssh-command = "true"',
    db: 'depends-on = [{ vm = "job", until = "done" }]',
    shell: 'depends-on = [{ vm = "db", until = "started" }]\nssh-console = true',
  });
  const { exitCode } = await rig.run(['up', '--jobs', '1']);
  expect(exitCode).toBe(0);
  expectOrder(rig, ['db login', 'shell start', 'shell command shell']);
});

test('what is copied out of a service is what it has once it has served', async () => {
  await using rig = project({
    db: `direct-copy = true\ncopy-out-after = ["${HERE}/guest/result:./out/"]\n${ORDERLY}`,
    web: `depends-on = ["db"]\nssh-command = "sleep 0.3; echo of web >>${HERE}/guest/result"\n${ORDERLY}`,
    other: `ssh-command = "sleep 0.3; echo of other >>${HERE}/guest/result"`,
  });
  rig.write({ 'guest/result': '' });
  const { exitCode } = await rig.run(['up', ...TOGETHER]);
  expect(exitCode).toBe(0);
  const out = join(rig.work, 'out/result');
  expect(existsSync(out) && readFileSync(out, 'utf8').split('\n').sort()).toEqual(['', 'of other', 'of web']);
  expectOrder(rig, ['web end', 'db powerdown']);
});

/** A VM by the name of its QEMU. */
function nameOf({ name }: Entry): string {
  return name.replace(/^work-/, '');
}

/** The VMs whose QEMU was started, in order. */
function startedIn(rig: Rig): string[] {
  return rig.entries('start').map(nameOf);
}

/** Where in the log there is what begins with `VM MOMENT` or `VM command BEGINNING`. */
function indexesOf(rig: Rig, wanted: string): number[] {
  const all = rig.entries().map((entry) => `${nameOf(entry)} ${entry.moment} ${entry.command ?? ''}`);
  return all.flatMap((line, index) => (`${line} `.startsWith(wanted) ? [index] : []));
}

/** Each of these happened, and the first time each did so came after that of the one before it. */
function expectOrder(rig: Rig, wanted: readonly string[]): void {
  const places = wanted.map((one) => ({ one, place: indexesOf(rig, one)[0] ?? -1 }));
  expect(places.filter(({ place }) => place < 0)).toEqual([]);
  expect(places.toSorted((a, b) => a.place - b.place).map(({ one }) => one)).toEqual(wanted);
}

function linesOf(text: string, pattern: RegExp): string[] {
  return text.split('\n').filter((line) => pattern.test(line));
}
