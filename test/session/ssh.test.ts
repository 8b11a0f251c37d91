import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { sshProgram } from '../rig/ssh-program.ts';
import { STAYS, TCG, created, end, errorsOf, running, succeeded, valuesOf } from '../rig/vms.ts';

describe('a command in a VM that runs', () => {
  test.for([0, 1, 7, 255])('its exit code %i becomes ours, and the VM goes on', async (code) => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const { exitCode } = await rig.run(['ssh', 'x', '--cmd', `exit ${code}`]);
    expect(exitCode).toBe(code);
    expect(await succeeded(rig, ['ssh', 'x', '--cmd', 'echo still'])).toBe('still\n');
    expect(owner.runs).toBe(true);
    await end(owner);
    expect(rig.entries('start')).toHaveLength(1);
    expect(rig.entries('powerdown')).toHaveLength(1);
  });

  test('stdin and stdout pass through byte for byte, and stderr stays apart', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const bytes = randomBytes(1_000_000);
    const args = ['ssh', 'x', '--cmd', 'cat; echo err >&2'];
    const { exitCode, stdout, stderr } = await rig.run(args, { stdin: bytes });
    expect(exitCode).toBe(0);
    expect(stdout.bytes.equals(bytes)).toBe(true);
    expect(stderr.text).toMatch(/^err$/m);
    await end(owner);
  });

  test('several at once', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const ended = await Promise.all(
      [1, 2, 3].map((n) => rig.run(['ssh', 'x', '--cmd', `echo ${n}; exit ${n}`])),
    );
    expect(ended.map(({ exitCode, stdout }) => [exitCode, stdout.text])).toEqual([
      [1, '1\n'],
      [2, '2\n'],
      [3, '3\n'],
    ]);
    await end(owner);
  });

  test('^C ends the session and not the VM', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const session = rig.start(['ssh', 'x', '--cmd', STAYS]);
    await session.waitFor(/up/, 'stdout');
    session.signalGroup('SIGINT');
    expect((await session.ended).exitCode).toBe(130);
    expect(await succeeded(rig, ['ssh', 'x', '--cmd', 'echo still'])).toBe('still\n');
    await end(owner);
  });

  test('it ends with the VM, with an error that says so', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const session = rig.start(['ssh', 'x', '--cmd', STAYS]);
    await session.waitFor(/up/, 'stdout');
    await succeeded(rig, ['stop', 'x']);
    const { exitCode, stderr } = await session.ended;
    expect(stderr.text).toContain(`the guest was switched off while "${STAYS}" ran`);
    expect(exitCode).toBe(1);
    await owner.ended;
  });

  test('a stateless VM is reached by the name that ps shows', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    expect(await succeeded(rig, ['ssh', `test-${owner.pid}`, '--cmd', 'echo in'])).toBe('in\n');
    await end(owner);
  });

  test('and a service of a Transientfile', async () => {
    await using rig = new Rig();
    rig.stored();
    rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "test"\n[vms.b]\nimage = "test"\n' });
    const owner = rig.start(['up']);
    await owner.waitFor(/All services are ready/);
    expect(await succeeded(rig, ['ssh', 'work-b', '--cmd', 'echo in'])).toBe('in\n');
    expect(rig.entries('command').map(({ name }) => name)).toEqual(['work-b']);
    await end(owner);
  });
});

test('without a command it is a console; its stdin is ours, and its exit code too', async () => {
  await using rig = new Rig();
  await created(rig, 'x', '--cmd', 'echo stored');
  const owner = await running(rig, ['start', 'x']);
  const { exitCode, stdout } = await rig.run(['ssh', 'x'], { stdin: 'echo in the shell\nexit 7\n' });
  expect(exitCode).toBe(7);
  expect(stdout.text).toBe('in the shell\n');
  await end(owner);
});

describe('a VM that does not run', () => {
  test('is reported', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['ssh', 'x', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual(["No running VM found with the name 'x'"]);
    expect(stderr.text).toContain('--wait');
  });

  test('with --wait one that starts later is waited for', async () => {
    await using rig = new Rig({ faults: { bannerDelay: 300 } });
    const session = rig.start(['ssh', 'x', '--wait', '--cmd', 'echo in; cat']);
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    session.write('typed before\n');
    session.write();
    const { exitCode, stdout } = await session.ended;
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('in\ntyped before\n');
    await end(owner);
  });

  test('with --wait one that does not come is reported', async () => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['ssh', 'x', '-w', '--ssh-timeout', '0.3', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual(["No running VM found with the name 'x' within 0.3 s"]);
  });

  test('the wait can be ended', async () => {
    await using rig = new Rig();
    const session = rig.start(['-vv', 'ssh', 'x', '--wait', '--cmd', 'true']);
    await created(rig, 'y');
    session.signal('SIGTERM');
    const { exitCode, signal } = await session.ended;
    expect([exitCode, signal]).not.toEqual([0, null]);
  });

  test('one of another store is another one', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const { exitCode } = await rig.run(['ssh', 'x', '--vmstore', rig.work, '--cmd', 'true']);
    expect(exitCode).toBe(1);
    await end(owner);
  });
});

test('a VM without an ssh card is reported, with how to get one', async () => {
  await using rig = new Rig();
  await created(rig, 'x');
  const owner = rig.start(['start', 'x', ...TCG]);
  await owner.waitFor(/Welcome to the fake guest!/, 'stdout');
  const { exitCode, stderr } = await rig.run(['ssh', 'x', '--wait', '--cmd', 'true']);
  expect(exitCode).toBe(1);
  expect(errorsOf(stderr.text)).toEqual(["VM 'x' runs without an ssh network card"]);
  expect(stderr.text).toMatch(/hint: .*--ssh-port/);
  owner.write('\x01x');
  await owner.ended;
});

test('a console of QEMU with a card can be reached by ssh beside it', async () => {
  await using rig = new Rig();
  await created(rig, 'x', '--ssh-net-driver', 'e1000');
  const owner = rig.start(['start', 'x', ...TCG]);
  await owner.waitFor(/Welcome to the fake guest!/, 'stdout');
  expect(await succeeded(rig, ['ssh', 'x', '--wait', '--cmd', 'echo in'])).toBe('in\n');
  owner.write('\x01x');
  await owner.ended;
});

describe('the ssh program', () => {
  test('is called as the owner of the VM calls it, with what is typed now behind that', async () => {
    await using rig = new Rig();
    const { path, calls } = sshProgram(rig);
    const stored = ['--ssh-bin-name', path, '--ssh-user', 'me', '-o', 'TCPKeepAlive=no'];
    await created(rig, 'x', ...stored);
    const owner = await running(rig, ['start', 'x', '-o', 'NumberOfPasswordPrompts=1']);
    const before = calls().length;
    await succeeded(rig, ['ssh', 'x', '--ssh-option', 'Compression=yes', '--cmd', 'echo in']);
    const [first, ...others] = calls().slice(before);
    const last = others.at(-1);
    expect(first).toContain('ControlMaster=yes');
    for (const argv of [first, last]) {
      expect(valuesOf(argv, '-l')).toEqual(['me']);
      expect(valuesOf(argv, '-o').filter((option) => /^(TCP|Number|Comp)/.test(option))).toEqual([
        'TCPKeepAlive=no',
        'NumberOfPasswordPrompts=1',
        'Compression=yes',
      ]);
    }
    expect(last?.slice(-3)).toEqual(['127.0.0.1', '--', 'echo in']);
    await end(owner);
  });

  test('may be another one, for another user', async () => {
    await using rig = new Rig();
    const { path, calls } = sshProgram(rig);
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    expect(calls()).toEqual([]);
    await succeeded(rig, ['ssh', 'x', '--ssh-bin-name', path, '--ssh-user', 'root', '--cmd', 'true']);
    expect(valuesOf(calls().at(-1), '-l')).toEqual(['root']);
    await end(owner);
  });

  test('leads to the port that ps shows', async () => {
    await using rig = new Rig();
    const { path, calls } = sshProgram(rig);
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    await succeeded(rig, ['ssh', 'x', '--ssh-bin-name', path, '--cmd', 'true']);
    const [port = ''] = valuesOf(calls().at(-1), '-p');
    expect(await succeeded(rig, ['ps', '--ssh'])).toContain(`vagrant@127.0.0.1:${port}`);
    await end(owner);
  });
});
