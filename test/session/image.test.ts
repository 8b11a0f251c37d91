import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

describe('an image from a file', () => {
  test('is retrieved once, as qcow2 whatever it was', async () => {
    await using rig = new Rig();
    const spec = `disk,file=${rig.image('disk.raw', 'raw')}`;
    const first = await rig.run(['run', spec, '--cmd', 'true']);
    const second = await rig.run(['run', spec, '--cmd', 'true']);
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
    expect(first.stderr.text).toContain("Unable to find image 'disk' in backend");
    expect(second.stderr.text).not.toContain('Unable to find image');
    expect(formatOf(join(rig.backend, 'disk'))).toBe('qcow2');
  });

  test('two runs at once make it once', async () => {
    await using rig = new Rig();
    const args = ['run', `disk,file=${rig.image('disk.raw', 'raw')}`, '--cmd', 'true'];
    const ended = await Promise.all([rig.run(args), rig.run(args), rig.run(args)]);
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(rig.images).toEqual(['disk']);
  });

  test('its path is relative to the working directory', async () => {
    await using rig = new Rig();
    rig.image('disk.qcow2');
    expect((await rig.run(['run', 'disk,file=disk.qcow2', '--cmd', 'true'])).exitCode).toBe(0);
  });

  test('its name may be any, also that of the place where images are made', async () => {
    await using rig = new Rig();
    const { stderr } = await rig.run(['run', `.working,file=${rig.image('disk.img')}`, '--cmd', 'true']);
    expect(stderr.text).not.toContain('internal error');
  });

  test('without a source and not in the backend it is reported', async () => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['run', 'disk', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain("Unable to find image 'disk' in backend, and no source is given for it");
    expect(rig.entries()).toEqual([]);
  });

  test.for([
    ['text', 'hello\n'.repeat(256), 'it is text'],
    ['nothing', '', 'it is empty'],
    ['half a sector', Buffer.alloc(700), 'not a multiple of 512 bytes'],
  ] as const)('a file of %s is refused', async ([, content, why]) => {
    await using rig = new Rig();
    rig.write({ 'disk.img': content });
    const { exitCode, stderr } = await rig.run(['run', 'disk,file=disk.img', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(why);
  });

  test('one that names another file of the host is refused', async () => {
    await using rig = new Rig();
    const base = rig.image('base.qcow2');
    const path = join(rig.work, 'top.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, path]);
    const { exitCode, stderr } = await rig.run(['run', 'top,file=top.qcow2', '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('refers to another file');
  });
});

function formatOf(path: string): string {
  const output = execFileSync('qemu-img', ['info', '--output=json', path], { encoding: 'utf8' });
  return (JSON.parse(output) as { format: string }).format;
}
