import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

const FILE = `[vms.web]
image = "test"
copy-in-before = ["./notes.txt:/srv/notes"]
ssh-command = "true"
`;

test.for<[string, string]>([
  ['a substitution of the shell', '"$@" --file <(cat file)'],
  ['the stdin', 'cat file | "$@" --file /dev/stdin'],
  ['a FIFO', 'mkfifo it; cat file >it & "$@" --file it'],
])('%s is a Transientfile, with paths relative to the working directory', async ([, script]) => {
  await using rig = new Rig();
  rig.write({ file: FILE });
  const command = ['bash', '-c', script, 'bash', ...rig.commandLine(['plan', '--json'])];
  const { exitCode, stdout, stderr } = await rig.command(command);
  expect({ exitCode, stderr: stderr.text }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout.text).toContain(`"host": "${rig.work}/notes.txt"`);
});

test('one from a pipe is run, and may be wrong', async () => {
  await using rig = new Rig();
  rig.stored();
  rig.write({ file: FILE.replace(/copy.*/, ''), bad: '[vms.web]\nimage = 7\n' });
  const up = async (file: string) =>
    rig.command(['bash', '-c', `"$@" --file <(cat ${file})`, 'bash', ...rig.commandLine(['up'])]);
  expect((await up('file')).exitCode).toBe(0);
  const { exitCode, stderr } = await up('bad');
  expect(exitCode).toBe(1);
  expect(stderr.text).toMatch(/^\/dev\/fd\/\d+:2:9 error: /);
});

test('a link to a Transientfile is the file that it leads to', async () => {
  await using rig = new Rig();
  rig.write({ 'real/file': FILE });
  const { stdout } = await rig.command([
    ...['sh', '-c', 'ln -s real/file link && "$@"', 'sh'],
    ...rig.commandLine(['plan', '--json', '--file', 'link']),
  ]);
  expect(stdout.text).toContain(`"host": "${rig.work}/real/notes.txt"`);
});
