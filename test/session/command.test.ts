import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

describe('a command in the guest', () => {
  test.for([0, 1, 3, 255])('its exit code %i becomes ours', async (code) => {
    await using rig = new Rig();
    const { exitCode, signal } = await rig.run(['run', rig.stored(), '--cmd', `exit ${code}`]);
    expect({ exitCode, signal }).toEqual({ exitCode: code, signal: null });
  });

  test('stdin and stdout pass through byte for byte', async () => {
    await using rig = new Rig();
    const bytes = randomBytes(5_000_000);
    const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--cmd', 'cat'], { stdin: bytes });
    expect(exitCode).toBe(0);
    expect(stdout.bytes.equals(bytes)).toBe(true);
  });

  test('stdout holds nothing but what it prints, and its stderr stays apart', async () => {
    await using rig = new Rig();
    const args = ['run', rig.stored(), '--cmd', 'printf out; echo err >&2'];
    const { stdout, stderr } = await rig.run(args);
    expect(stdout.text).toBe('out');
    expect(stderr.text).toMatch(/^err$/m);
  });

  test('it gets the command line as it was given', async () => {
    await using rig = new Rig();
    const command = `printf '%s|' "a  b" '$HOME' "\\$x" 'ünï' --; echo`;
    const { stdout } = await rig.run(['run', rig.stored(), '--cmd', command]);
    expect(stdout.text).toBe('a  b|$HOME|$x|ünï|--|\n');
  });

  test('it need not read its stdin', async () => {
    await using rig = new Rig();
    const { exitCode } = await rig.run(['run', rig.stored(), '--cmd', 'exit 0'], {
      stdin: 'x'.repeat(1_000_000),
    });
    expect(exitCode).toBe(0);
  });
});

describe('an ssh console', () => {
  test('its stdin is ours, and its exit code too', async () => {
    await using rig = new Rig();
    const stdin = 'echo in the shell\nexit 7\n';
    const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--ssh'], { stdin });
    expect(exitCode).toBe(7);
    expect(stdout.text).toBe('in the shell\n');
  });
});

describe('ssh with serial output', () => {
  test('the serial output goes to stderr until the guest is ready', async () => {
    await using rig = new Rig();
    const { exitCode, stdout, stderr } = await rig.run(['run', rig.stored(), '--sshs', '--cmd', 'echo out']);
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('out\n');
    expect(stderr.text).toContain('Welcome to the fake guest!');
  });

  test('with a session of which stdin is the commands it goes to stdout, where a console is', async () => {
    await using rig = new Rig();
    const { exitCode, stdout, stderr } = await rig.run(['run', rig.stored(), '--sshs'], {
      stdin: 'echo from the session\nexit 7\n',
    });
    expect(exitCode).toBe(7);
    expect(stdout.text).toMatch(/Welcome to the fake guest![^]*from the session\n$/);
    expect(stderr.text).not.toContain('fake guest');
  });

  test('without it no one sees it', async () => {
    await using rig = new Rig();
    const { stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(stderr.text).not.toContain('fake guest');
  });
});

describe("QEMU's own console", () => {
  test('it is on our stdin and stdout, and ends when QEMU does', async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored()]);
    await program.waitFor(/Welcome to the fake guest!/, 'stdout');
    program.write('typed');
    await program.waitFor(/typed/, 'stdout');
    program.write('\x01x');
    expect((await program.ended).exitCode).toBe(0);
  });

  test('what QEMU prints for a person is printed, and all is well', async () => {
    await using rig = new Rig();
    const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--', '-version']);
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('QEMU emulator version 7.2.22 (fake)\n');
  });

  test('also where a command would follow', async () => {
    await using rig = new Rig();
    const { exitCode, stdout } = await rig.run(['run', rig.stored(), '--cmd', 'true', '--', '-version']);
    expect(exitCode).toBe(0);
    expect(stdout.text).toBe('QEMU emulator version 7.2.22 (fake)\n');
  });
});
