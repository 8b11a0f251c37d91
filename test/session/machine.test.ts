import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

describe('a QEMU that does not start', () => {
  test('its own message is ours', async () => {
    await using rig = new Rig({ faults: { exitAtOnce: { code: 1, stderr: 'qemu: bad option' } } });
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('qemu-system-x86_64 ended with exit code 1');
    expect(stderr.text).toMatch(/^ +qemu: bad option$/m);
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
  });

  test('a program that is not there is reported by its name', async () => {
    await using rig = new Rig();
    const args = ['run', rig.stored(), '--cmd', 'true', '--qemu-bin-name', 'qemu-system-none'];
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("Required program 'qemu-system-none' is not installed");
  });

  test('one whose control connection sends nothing is given up', async () => {
    await using rig = new Rig({ faults: { noQmp: true } });
    const { exitCode, stderr } = await rig.run([
      'run',
      rig.stored(),
      '--cmd',
      'true',
      '--qmp-timeout',
      '0.3',
    ]);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('did not respond on its control connection within 0.3 s');
  });
});

describe('a QEMU that dies', () => {
  test.for(['start', 'qmp', 'banner'] as const)('after "%s": with its message', async (dieAfter) => {
    await using rig = new Rig({ faults: { dieAfter } });
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`the fake dies after ${dieAfter}`);
    expect(stderr.text.match(/error:/g)).toHaveLength(1);
  });

  test('while a command runs: the user hears that it was the machine', async () => {
    await using rig = new Rig({ faults: { dieAfter: 'command' } });
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'sleep 1000']);
    expect(exitCode).not.toBe(0);
    expect(stderr.text).toContain('the fake dies after command');
  });

  test('while a command runs: it is not asked to shut down', async () => {
    await using rig = new Rig({ faults: { dieAfter: 'command' } });
    const args = ['run', rig.stored(), '--cmd', 'sleep 1000', '--shutdown-timeout', '1000'];
    expect((await rig.run(args)).exitCode).not.toBe(0);
  });

  test("in the middle of its own console: with QEMU's exit code told", async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored()]);
    await program.waitFor(/fake guest/, 'stdout');
    const { pid } = await rig.happened('qmp');
    process.kill(pid, 'SIGKILL');
    const { exitCode } = await program.ended;
    expect(exitCode).toBe(1);
    expect(program.stderr.text).toContain('SIGKILL');
  });
});

describe('the end of a machine', () => {
  test('nothing of a stateless VM is kept, so that it is not asked', async () => {
    await using rig = new Rig();
    await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(rig.entries('powerdown')).toEqual([]);
  });

  test('with a shutdown timeout the guest is asked', async () => {
    await using rig = new Rig();
    const { exitCode } = await rig.run(['run', rig.stored(), '--cmd', 'true', '--shutdown-timeout', '10']);
    expect(exitCode).toBe(0);
    expect(
      rig
        .entries()
        .map(({ moment }) => moment)
        .slice(-2),
    ).toEqual(['powerdown', 'end']);
  });

  test('one that does not hear the power button is terminated, with a warning', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true } });
    const args = ['run', rig.stored(), '--cmd', 'exit 5', '--shutdown-timeout', '0.3'];
    const { exitCode, stderr } = await rig.run(args);
    expect(exitCode).toBe(5);
    expect(stderr.text).toContain('did not shut down within 0.3 s');
    expect(
      rig
        .entries()
        .map(({ moment }) => moment)
        .slice(-3),
    ).toEqual(['powerdown', 'signal', 'end']);
  });

  test('one that does not hear SIGTERM either is killed', async () => {
    await using rig = new Rig({ faults: { ignorePowerdown: true, ignoreTerm: true } });
    const { exitCode } = await rig.run(['run', rig.stored(), '--cmd', 'true', '--shutdown-timeout', '0.1']);
    expect(exitCode).toBe(0);
    expect(
      rig
        .entries()
        .map(({ moment }) => moment)
        .slice(-2),
    ).toEqual(['powerdown', 'signal']);
  });
});

describe('the ssh port', () => {
  test('one that is in use is refused before QEMU starts', async () => {
    const { server, port } = await listening();
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run([
      'run',
      rig.stored(),
      '--cmd',
      'true',
      '--ssh-port',
      String(port),
    ]);
    server.close();
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`cannot use port ${port} of 127.0.0.1 for ssh: it is already in use`);
    expect(rig.entries('start')).toEqual([]);
  });

  test('the one that was asked for is forwarded', async () => {
    const { server, port } = await listening();
    server.close();
    await once(server, 'close');
    await using rig = new Rig();
    const { exitCode } = await rig.run(['run', rig.stored(), '--cmd', 'true', '--ssh-port', String(port)]);
    expect(exitCode).toBe(0);
    expect(rig.entries('start')[0]?.argv).toContain(`user,id=ssh,hostfwd=tcp:127.0.0.1:${port}-:22`);
  });
});

async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}
