import type { VmSpec } from '../config/vm-spec.ts';
import { SHARE_WAYS } from '../options/values/shared-folder.ts';
import type { OptionName } from '../options/table.ts';
import { OPTION_TABLE } from '../options/table.ts';

/** Keys of a VM table that run, open, read or write something on the host. */
const HOST_KEYS = [
  ...(['qemu-bin-name', 'qemu-args', 'ssh-bin-name', 'ssh-option', 'sftp-bin-name'] as const),
  ...(['builder-kernel', 'builder-initrd', 'forward', 'shared-folder'] as const),
  ...(['copy-in-before', 'copy-out-after', 'user-data', 'image', 'image-backend', 'vmstore'] as const),
] as const satisfies (OptionName | 'image')[];

export type HostKey = (typeof HOST_KEYS)[number];

/** Host resources used by a VM by key; using fewer of them is harmless. */
export type HostUse = Readonly<Record<HostKey, readonly string[]>>;

/** Host resources used by a VM. Arguments and options are compared as a whole, since their meaning depends on each other. */
export function hostUse({ machine, ssh, seed, shares, copies, forwards, images, vmstore }: VmSpec): HostUse {
  return {
    'qemu-bin-name': [machine.program],
    'qemu-args': [JSON.stringify(machine.qemuArgs)],
    'ssh-bin-name': ssh ? [ssh.program] : [],
    'ssh-option': ssh ? [JSON.stringify(ssh.options)] : [],
    'sftp-bin-name': [shares.sftpServer],
    'builder-kernel': copies.builder.kernel === undefined ? [] : [copies.builder.kernel],
    'builder-initrd': copies.builder.initrd === undefined ? [] : [copies.builder.initrd],
    forward: forwards
      .filter(({ address }) => !address.startsWith('127.'))
      .map(({ address, host, protocol }) => `${address}:${host}/${protocol}`),
    'shared-folder': SHARE_WAYS.flatMap((way) =>
      shares[way].flatMap(({ host, readonly }) => [
        `read ${host} by ${way}`,
        ...(readonly ? [] : [`write ${host} by ${way}`]),
      ]),
    ),
    'copy-in-before': copies.in.map(({ host }) => host),
    'copy-out-after': copies.out.map(({ host }) => host),
    'user-data': seed?.userData === undefined ? [] : [seed.userData],
    image: images.flatMap(({ source }) => (source?.location.startsWith('/') ? [source.location] : [])),
    'image-backend': images.map(({ backend }) => backend),
    vmstore: [vmstore],
  };
}

/** Host resources a new VM may use: those used by all other VMs, images of any of them, and the default programs. */
export function commonUse(uses: readonly HostUse[]): HostUse {
  const [first, ...others] = uses;
  const common = (key: HostKey): readonly string[] =>
    first?.[key].filter((one) => others.every((other) => other[key].includes(one))) ?? [];
  const entries = HOST_KEYS.map((key) => [key, [...common(key), ...(USUAL[key] ?? [])]] as const);
  return { ...(Object.fromEntries(entries) as HostUse), image: uses.flatMap(({ image }) => image) };
}

/** Keys that add host resources. */
export function newUses(before: HostUse, after: HostUse): HostKey[] {
  return HOST_KEYS.filter((key) => after[key].some((one) => !before[key].includes(one)));
}

const USUAL: Partial<HostUse> = {
  'qemu-bin-name': [String(OPTION_TABLE['qemu-bin-name'].default)],
  'qemu-args': [JSON.stringify([])],
  'ssh-bin-name': [String(OPTION_TABLE['ssh-bin-name'].default)],
  'ssh-option': [JSON.stringify([])],
  'sftp-bin-name': [String(OPTION_TABLE['sftp-bin-name'].default)],
};
