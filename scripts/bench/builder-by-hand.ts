import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareAppliance } from '../../src/builder/appliance.ts';
import { builderArguments, builderProgram } from '../../src/builder/args.ts';
import { PROGRAM, cpioArchive } from '../../src/builder/cpio.ts';
import { encodeName } from '../../src/host/store-layout.ts';
import { whyNoKvm } from '../../src/host/kvm.ts';
import { guestArchitecture } from '../../src/qemu/args.ts';
import { timed } from './command.ts';
import type { Timed } from './row.ts';
import type { World } from './world.ts';

/** Shell commands that copy in the builder by hand: modules, mount, untar, and power off. */
const INIT = `#!/tools/bin/busybox sh
export PATH=/tools/bin
/tools/bin/busybox mkdir -p /proc /sys /dev /mnt
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
for wanted in virtio_pci virtio_blk; do
  for module in $(sed -n "s/^$wanted: //p" /modules/needs); do insmod /modules/$module.ko 2>/dev/null; done
done
mount -t ext4 /dev/vda2 /mnt
tar -x -f /dev/vdb -C /mnt/root
umount /mnt
poweroff -f
`;

const SMALL = 'a small file\n';

/** The builder's kernel and initramfs with that init, the VM's disk, and an archive as a second disk. */
export async function builderByHand(world: World, vm: string): Promise<Timed> {
  const { cwd, env } = world;
  const appliance = await prepareAppliance({}, quiet());
  const [initrd, archive] = [join(cwd, 'initrd'), join(cwd, 'small.tar')];
  const init = cpioArchive([{ path: 'by-hand', mode: PROGRAM, bytes: Buffer.from(INIT) }]);
  writeFileSync(initrd, Buffer.concat([readFileSync(appliance.initrd), init]));
  writeFileSync(join(cwd, 'by-hand'), SMALL);
  const name = encodeName(vm);
  const disk = join(env['TRANSIENT_VMSTORE'] ?? '', name, `${name}-0-${encodeName(world.guest)}`);
  const program = builderProgram();
  const args = builderArguments({
    appliance: { kernel: appliance.kernel, initrd },
    accel: whyNoKvm(guestArchitecture(program)) === undefined ? 'kvm' : 'tcg',
    disks: [disk],
    readOnly: false,
    ports: [],
    serialLog: join(cwd, 'by-hand.log'),
  }).map((argument) => (argument.startsWith('console=') ? `${argument} rdinit=/by-hand` : argument));
  const second = ['-drive', `file=${archive},format=raw,if=none,id=archive,readonly=on`];
  const command = [program, ...args, ...second, '-device', 'virtio-blk-pci,drive=archive'];
  const script = 'tar -C "$0" -cf "$1" by-hand; shift; exec "$@"';
  return async () => timed(['sh', '-c', script, cwd, archive, ...command], world);
}

/** Output of assembling the builder, which is ignored. */
function quiet(): Parameters<typeof prepareAppliance>[1] {
  const nothing = (): void => undefined;
  return { signal: new AbortController().signal, progress: nothing, note: nothing, warn: nothing };
}

/** Looks whether the file that was copied by hand has arrived. */
export function expectArrived({ transient, cwd, env }: World, vm: string): void {
  const [file = process.execPath, ...args] = transient;
  execFileSync(file, [...args, 'cp', `${vm}:/root/by-hand`, 'arrived'], { cwd, env, stdio: 'ignore' });
  if (readFileSync(join(cwd, 'arrived'), 'utf8') !== SMALL)
    throw new Error('what was copied by hand is not there');
}
