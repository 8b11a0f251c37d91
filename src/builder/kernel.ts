import { access, constants, readdir, stat } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { hasProgram } from '../host/program.ts';
import { run } from '../host/run.ts';
import { TransientError } from '../problem.ts';

/** A kernel with its modules. */
export interface Kernel {
  readonly image: string;
  readonly modules: string;
}

/** Finds the host's newest readable kernel that has its modules. */
export async function hostKernel(): Promise<Kernel | undefined> {
  const names = await readdir('/boot').catch(() => []);
  const versions = names
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => name.slice('vmlinuz-'.length));
  const newestFirst = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  for (const version of newestFirst) {
    const kernel = { image: `/boot/vmlinuz-${version}`, modules: `/lib/modules/${version}` };
    if (await isUsable(kernel)) return kernel;
  }
  return undefined;
}

async function isUsable({ image, modules }: Kernel): Promise<boolean> {
  try {
    await access(image, constants.R_OK);
    return (await stat(join(modules, 'kernel'))).isDirectory();
  } catch {
    return false;
  }
}

/** Package of a small kernel for virtual machines, by Node's architecture name. */
const CLOUD_KERNEL: Readonly<Record<string, string>> = {
  x64: 'linux-image-cloud-amd64',
  arm64: 'linux-image-cloud-arm64',
};

/** Fetches a kernel from Debian's packages and unpacks it into a directory without installing it. */
export async function packagedKernel(directory: string, signal: AbortSignal): Promise<Kernel> {
  const newest = CLOUD_KERNEL[arch()];
  if (newest === undefined || !(await hasProgram('apt-get'))) throw noKernel();
  const { stdout } = await run('apt-cache', ['depends', newest], { signal });
  const name = /Depends: (linux-image-\d\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw noKernel(`apt-cache has no package ${newest}; "apt-get update" may help`);
  const unpacked = await unpackPackage(name, directory, signal);
  const version = name.replace('linux-image-', '');
  return {
    image: join(unpacked, 'boot', `vmlinuz-${version}`),
    modules: join(unpacked, 'lib/modules', version),
  };
}

/** Downloads a Debian package and unpacks it below a directory; returns the path. */
export async function unpackPackage(name: string, directory: string, signal: AbortSignal): Promise<string> {
  const unpacked = join(directory, `${name}.unpacked`);
  // apt-get download writes into its working directory
  await run('sh', ['-c', 'cd "$0" && apt-get -q download "$1"', directory, name], { signal });
  const file = (await readdir(directory)).find((one) => one.startsWith(`${name}_`) && one.endsWith('.deb'));
  if (file === undefined) throw noKernel(`the package ${name} could not be downloaded`);
  await run('dpkg-deb', ['-x', join(directory, file), unpacked], { signal });
  return unpacked;
}

function noKernel(
  why = 'no kernel in /boot is readable, and there is no apt-get to download one',
): TransientError {
  return new TransientError({
    reason: 'host',
    message: `the builder VM, which copies files to and from stopped VMs, has no kernel: ${why}`,
    hint: 'make /boot/vmlinuz-* readable, set a kernel with --builder-kernel, or use --direct-copy',
  });
}
