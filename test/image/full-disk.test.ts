import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { errorsIn } from '../rig/errors.ts';
import { Rig } from '../rig/rig.ts';

/** A disk that looks like no other, of so many MiB. */
const MAKE = (format: string): string =>
  `head -c 32M /dev/urandom >noise && qemu-img convert -f raw -O ${format} noise disk && rm noise`;

test.skipIf(!canMountTmpfs()).for(['qcow2', 'vmdk', 'raw'])(
  'a disk that is full of a %s is named, with what to do',
  async (format) => {
    await using rig = new Rig();
    execFileSync('sh', ['-c', MAKE(format)], { cwd: rig.work });
    const script = 'mount -t tmpfs -o size=16m small "$TRANSIENT_BACKEND"; "$@"';
    const { exitCode, stderr } = await rig.command([
      ...['unshare', '-rm', 'sh', '-c', script, 'sh'],
      ...rig.commandLine(['image', 'pull', 'big,file=disk']),
    ]);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringMatching(
        /error: (No space left on the disk of|the image is larger than .* that may be filled in) \S*backend\S*\n[^]*hint: free some space.*--image-backend/,
      ),
    ]);
  },
);

function canMountTmpfs(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'small', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
