import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { disk, holds } from '../rig/disks.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';
import {
  created,
  diskInfo,
  end,
  errorsOf,
  running,
  storeFiles,
  succeeded,
  valuesOf,
  vmFile,
} from '../rig/vms.ts';

const HOLE = 2 ** 20;

describe('commit', () => {
  test('the image is the disk with all that it is based on, whole and read-only', async () => {
    await using rig = new Rig();
    await withContent(rig);
    expect(await succeeded(rig, ['commit', 'x', 'made'])).toBe("Created image 'made'\n");
    const path = join(rig.backend, 'made');
    expect(statSync(path).mode & 0o777).toBe(0o444);
    expect(diskInfo(path)).toMatchObject({ format: 'qcow2', 'virtual-size': 2 * 2 ** 20 });
    expect(diskInfo(path)).not.toHaveProperty('full-backing-filename');
    expect(io(path, `read -P 0x5a ${HOLE} 64k`)).not.toContain('verification failed');
    io(vmFile(rig, 'x', 'x-0-test'), `write -z ${HOLE} 64k`);
    expect(io(path, `read -P 0x5a ${HOLE} 64k`)).not.toContain('verification failed');
    const cleaned = join(rig.work, 'cleaned');
    writeFileSync(cleaned, readFileSync(path));
    io(cleaned, `write -z ${HOLE} 64k`);
    expect(holds(cleaned)).toBe(true);
  });

  test('the VM stays as it is', async () => {
    await using rig = new Rig();
    await withContent(rig);
    const before = storeFiles(rig.vmstore);
    await succeeded(rig, ['commit', 'x', 'made']);
    expect(storeFiles(rig.vmstore)).toEqual(before);
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
  });

  test('the image is listed, runs, and a VM can be made from it', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    await succeeded(rig, ['commit', 'x', 'my-made']);
    const images = JSON.parse(await succeeded(rig, ['image', 'ls', '--json'])) as { name: string }[];
    expect(images.map(({ name }) => name)).toEqual(['my-made', 'test']);
    expect(await succeeded(rig, ['run', 'my-made', '--cmd', 'echo in'])).toBe('in\n');
    expect(valuesOf(rig.entries('start')[0]?.argv, '-drive')[0]).toContain(join(rig.backend, 'my%2Dmade'));
    await succeeded(rig, ['create', 'my-made', '--name', 'y']);
    await succeeded(rig, ['rm', 'x']);
    await succeeded(rig, ['image', 'rm', 'test']);
    expect(await succeeded(rig, ['start', 'y', '--cmd', 'echo in'])).toBe('in\n');
  });

  test('one by the name of a box is that box', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    await succeeded(rig, ['commit', 'x', 'user/box:1.0']);
    expect(await succeeded(rig, ['run', 'user/box:1.0', '--cmd', 'echo in'])).toBe('in\n');
  });

  test('only the first disk is committed', async () => {
    await using rig = new Rig();
    const data = join(rig.backend, 'data');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', data, '3M']);
    chmodSync(data, 0o444);
    await created(rig, 'x', '--extra-image', 'data');
    await succeeded(rig, ['commit', 'x', 'made']);
    expect(diskInfo(join(rig.backend, 'made'))['virtual-size']).toBe(2 ** 20);
  });

  test('a name that is taken is refused, and that image stays', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rig.stored('made');
    const before = statSync(join(rig.backend, 'made'));
    const { exitCode, stdout, stderr } = await rig.run(['commit', 'x', 'made']);
    expect(exitCode).toBe(1);
    expect(stdout.text).toBe('');
    expect(errorsOf(stderr.text)).toEqual(["An image with the name 'made' already exists"]);
    expect(statSync(join(rig.backend, 'made'))).toEqual(before);
  });

  test('of two at once by one name one makes it', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    await created(rig, 'y');
    const ended = await Promise.all([rig.run(['commit', 'x', 'made']), rig.run(['commit', 'y', 'made'])]);
    expect(ended.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1]);
    expect(ended.map(({ stdout }) => stdout.text).join('')).toBe("Created image 'made'\n");
  });

  test('a VM that runs is refused', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const owner = await running(rig, ['start', 'x']);
    const { exitCode, stderr } = await rig.run(['commit', 'x', 'made']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)[0]).toContain(`VM 'x' is in use by process ${owner.pid}`);
    expect(rig.images).toEqual(['test']);
    await end(owner);
  });

  test('a VM that is not there is reported', async () => {
    await using rig = new Rig();
    const { exitCode, stderr } = await rig.run(['commit', 'nope', 'made']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual(["No VM with name 'nope' found"]);
  });

  test.for(['made,file=disk.qcow2', '.made', ''])('"%s" is no name for an image', async (name) => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['commit', 'x', name]);
    expect(exitCode).toBe(2);
    expect(stderr.text).toMatch(/^error: IMAGE must/m);
    expect(rig.images).toEqual(['test']);
  });

  test('a VM whose image is gone cannot be committed', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    rmSync(join(rig.backend, 'test'));
    const { exitCode, stderr } = await rig.run(['commit', 'x', 'made']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)[0]).toContain("needs image 'test', which is missing");
    expect(rig.images).toEqual([]);
  });
});

describe('while an image is being created from it', () => {
  test('the VM is in use, and cannot be stopped', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { env, reached, open } = slowQemuImg(rig);
    const commit = rig.start(['commit', 'x', 'made'], { env });
    await until('the conversion', reached);
    const started = await rig.run(['start', 'x']);
    expect(started.exitCode).toBe(1);
    expect(started.stderr.text).toContain(`VM 'x' is in use by process ${commit.pid}, since`);
    expect(started.stderr.text).toContain('an image is being created from it');
    const stopped = await rig.run(['stop', 'x']);
    expect(stopped.exitCode).toBe(1);
    expect(errorsOf(stopped.stderr.text)).toEqual(["No running VM found with the name 'x'"]);
    expect((await rig.run(['rm', '--force', 'x'])).exitCode).toBe(1);
    expect(await succeeded(rig, ['ps', '-a'])).toMatch(/^x +test +In use/m);
    open();
    expect((await commit.ended).exitCode).toBe(0);
    await succeeded(rig, ['start', 'x', '--cmd', 'true']);
  });

  test.for(['SIGINT', 'SIGKILL'] as const)('%s leaves the VM free and no image', async (signal) => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { env, reached } = slowQemuImg(rig);
    const commit = rig.start(['commit', 'x', 'made'], { env });
    await until('the conversion', reached);
    commit.signal(signal);
    await commit.ended;
    expect(rig.images).toEqual(['test']);
    expect(await succeeded(rig, ['commit', 'x', 'made'])).toBe("Created image 'made'\n");
  });
});

describe('image rm of an image in use', () => {
  test('by a stateless VM that runs is refused', async () => {
    await using rig = new Rig();
    const owner = await running(rig, ['run', rig.stored()]);
    const { exitCode, stderr } = await rig.run(['image', 'rm', 'test']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual([`Backend 'test' is in use by 'test-${owner.pid}'`]);
    expect(rig.images).toEqual(['test']);
    await end(owner);
    await succeeded(rig, ['image', 'rm', 'test']);
    expect(rig.images).toEqual([]);
  });

  test('also by one of another store, and as a further disk', async () => {
    await using rig = new Rig();
    rig.stored('data');
    const other = ['--vmstore', join(rig.work, 'other'), '--extra-image', 'data'];
    const owner = await running(rig, ['run', rig.stored(), ...other]);
    const { exitCode, stderr } = await rig.run(['image', 'rm', 'data']);
    expect(exitCode).toBe(1);
    expect(errorsOf(stderr.text)).toEqual([`Backend 'data' is in use by 'test-${owner.pid}'`]);
    await end(owner);
  });

  test('by a VM of the store is refused, running or not', async () => {
    await using rig = new Rig();
    await created(rig, 'a-b');
    const refused = await rig.run(['image', 'rm', 'test']);
    expect(errorsOf(refused.stderr.text)).toEqual(["Backend 'test' is in use by 'a-b'"]);
    const owner = await running(rig, ['start', 'a-b']);
    const again = await rig.run(['image', 'rm', 'test']);
    expect(errorsOf(again.stderr.text)).toEqual(["Backend 'test' is in use by 'a-b'"]);
    await end(owner);
    await succeeded(rig, ['rm', 'a-b']);
    await succeeded(rig, ['image', 'rm', 'test']);
  });

  test('with --force it goes, with a warning; the VM is reported without it', async () => {
    await using rig = new Rig();
    await created(rig, 'x');
    const { exitCode, stderr } = await rig.run(['image', 'rm', '--force', 'test']);
    expect(exitCode).toBe(0);
    expect(stderr.text).toContain("warning: Backend 'test' is in use by 'x'");
    expect((await rig.run(['start', 'x'])).stderr.text).toContain("needs image 'test'");
  });
});

/** A VM named "x" over an image with {@link disk} in it, and with something of its own in a hole of that. */
async function withContent(rig: Rig): Promise<void> {
  const path = join(rig.backend, 'test');
  writeFileSync(path, disk('qcow2'));
  chmodSync(path, 0o444);
  await succeeded(rig, ['create', 'test', '--name', 'x']);
  io(vmFile(rig, 'x', 'x-0-test'), `write -P 0x5a ${HOLE} 64k`);
}

function io(path: string, command: string): string {
  const access = command.startsWith('read') ? ['-r'] : [];
  return execFileSync('qemu-io', [...access, '-f', 'qcow2', '-c', command, path], { encoding: 'utf8' });
}

/** A qemu-img whose conversions wait until they may go on. */
function slowQemuImg(rig: Rig): { env: NodeJS.ProcessEnv; reached: () => boolean; open: () => void } {
  const place = (name: string): string => join(rig.work, name);
  const wait = `touch ${place('reached')}; while [ ! -e ${place('open')} ]; do sleep 0.02; done`;
  rig.write({
    'bin/qemu-img': `#!/bin/sh\n[ "$1" = convert ] && { ${wait}; }\nPATH=\${PATH#*:} exec qemu-img "$@"\n`,
  });
  chmodSync(place('bin/qemu-img'), 0o755);
  return {
    env: { PATH: `${place('bin')}:${rig.environment['PATH'] ?? ''}` },
    reached: () => existsSync(place('reached')),
    open: () => writeFileSync(place('open'), ''),
  };
}
