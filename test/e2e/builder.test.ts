import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesystem } from '../rig/filesystems.ts';
import type { Rig } from '../rig/rig.ts';
import { succeeded } from '../rig/vms.ts';
import { realRig } from './guests.ts';

test('with a kernel and an initramfs of the user’s own nothing is assembled', async () => {
  await using rig = await withVm();
  const log = await copyIn(rig, '--verbose');
  const [, kernel = '', initrd = ''] = / -kernel (\S+) -initrd (\S+) /.exec(log) ?? [];
  symlinkSync(kernel, join(rig.work, 'my kernel, new'));
  symlinkSync(initrd, join(rig.work, 'my initrd, new'));
  const cache = join(rig.root, 'cache');
  const own = ['--builder-kernel', 'my kernel, new', '--builder-initrd', 'my initrd, new'];
  await succeeded(rig, ['cp', ...own, 'vm:/etc/file', 'back'], { XDG_CACHE_HOME: cache });
  expect(readFileSync(join(rig.work, 'back'), 'utf8')).toBe('content');
  expect(existsSync(cache)).toBe(false);
  // a kernel that could be booted, so that the initramfs is looked at
  expect(await copyIn(rig, '--builder-kernel', kernel, '--builder-initrd', 'nowhere')).toMatch(
    /error: --builder-initrd: cannot read \S*\/nowhere: No such file/,
  );
});

test('a kernel that is not there is reported by its path, and one that is none in the words of QEMU', async () => {
  await using rig = await withVm();
  const initrd = ['--builder-initrd', 'file'];
  expect(await copyIn(rig, '--builder-kernel', 'nowhere', ...initrd)).toMatch(
    /error: --builder-kernel: cannot read \S*\/nowhere: No such file/,
  );
  expect(await copyIn(rig, '--builder-kernel', 'file', ...initrd)).toMatch(
    /error: .*ended with exit code 1\n.*kernel/,
  );
});

/** A rig with a VM that is not to be booted, and a file to copy into it. */
async function withVm(): Promise<Rig> {
  const rig = realRig();
  rig.write({ file: 'content' });
  await succeeded(rig, ['create', `data,file=${filesystem(rig, 'ext4')}`, '--name', 'vm']);
  return rig;
}

/** Tries to copy the file, and returns what was said. */
async function copyIn(rig: Rig, ...options: readonly string[]): Promise<string> {
  const { stderr } = await rig.run(['cp', ...options, 'file', 'vm:/etc/']);
  return stderr.text;
}
