import fc from 'fast-check';
import { expect, test } from 'vitest';
import { problemLines } from '../../src/run/problem-lines.ts';
import { visible } from '../../src/control-characters.ts';
import { Rig } from '../rig/rig.ts';

test.each([
  ['make test\u001b[2K\u001b[1A', String.raw`make test\x1b[2K\x1b[1A`],
  ['two\nlines\r', String.raw`two\nlines\r`],
  ['a tab\tand ünïcode ✓', 'a tab\tand ünïcode ✓'],
  ['\u009b31m', String.raw`\x9b31m`],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown);
});

test('no text whatever has a terminal do anything', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const problem = { reason: 'guest', message: text, hint: text, details: [text] } as const;
      // eslint-disable-next-line no-control-regex -- these are what must not be there
      expect(problemLines(problem, 'error', false).join('')).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
    }),
  );
});

test('a command of a file does not rewrite the plan that shows it', async () => {
  await using rig = new Rig();
  rig.stored();
  rig.write({
    'Transientfile.toml': '[vms.a]\nimage = "test"\nssh-command = "make test\\u001b[2K\\u001b[1A; evil"\n',
  });
  const { stdout } = await rig.run(['plan']);
  expect(stdout.text).toContain(String.raw`Run make test\x1b[2K\x1b[1A; evil`);
  expect(stdout.text).not.toContain('\u001b');
});

test('what a file has the host run is in the plan, and where it listens', async () => {
  await using rig = new Rig();
  rig.stored();
  const lines = [
    'qemu-bin-name = "./x/qemu-system-x86_64"',
    'ssh-bin-name = "./evil.sh"',
    'ssh-option = ["ProxyCommand=./y %h"]',
    'qemu-args = ["-drive", "file=/etc/shadow,format=raw"]',
    'forward = ["0.0.0.0:8080:80"]',
    'ssh-command = "true"',
  ];
  rig.write({ 'Transientfile.toml': `[vms.a]\nimage = "test"\n${lines.join('\n')}\n` });
  const { stdout } = await rig.run(['plan']);
  expect(stdout.text).toContain('port 0.0.0.0:8080 → 80/tcp');
  expect(stdout.text).toMatch(/program \S*\/x\/qemu-system-x86_64/);
  expect(stdout.text).toContain('QEMU arguments: -drive file=/etc/shadow,format=raw');
  expect(stdout.text).toMatch(/program \S*evil\.sh/);
  expect(stdout.text).toContain("ssh option 'ProxyCommand=./y %h'");
});
