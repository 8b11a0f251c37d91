import type { VmSpec } from '../config/vm-spec.ts';
import { SHARE_WAYS } from '../options/shared-folder.ts';
import type { OptionName } from '../options/table.ts';
import { OPTION_TABLE } from '../options/table.ts';

/** Keys of a VM table by which something runs on the host, or is opened, read or written there. */
const HOST_KEYS = [
  ...(['qemu-bin-name', 'qemu-args', 'ssh-bin-name', 'ssh-option', 'sftp-bin-name'] as const),
  ...(['builder-kernel', 'builder-initrd', 'forward', 'shared-folder'] as const),
  ...(['copy-in-before', 'copy-out-after', 'image', 'image-backend', 'vmstore'] as const),
] as const satisfies (OptionName | 'image')[];

export type HostKey = (typeof HOST_KEYS)[number];

/** What a VM uses of the host: by each key some things, of which less is no danger. */
export type HostUse = Readonly<Record<HostKey, readonly string[]>>;

/** What a VM uses of the host. Arguments and options mean something together: other ones, also fewer, are another thing. */
export function hostUse({ machine, ssh, shares, copies, forwards, images, vmstore }: VmSpec): HostUse {
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
    image: images.flatMap(({ source }) => (source?.location.startsWith('/') ? [source.location] : [])),
    'image-backend': images.map(({ backend }) => backend),
    vmstore: [vmstore],
  };
}

/** What a VM may use that was not there before: what all others do, images of any of them, and the usual programs. */
export function commonUse(uses: readonly HostUse[]): HostUse {
  const [first, ...others] = uses;
  const common = (key: HostKey): readonly string[] =>
    first?.[key].filter((one) => others.every((other) => other[key].includes(one))) ?? [];
  const entries = HOST_KEYS.map((key) => [key, [...common(key), ...(USUAL[key] ?? [])]] as const);
  return { ...(Object.fromEntries(entries) as HostUse), image: uses.flatMap(({ image }) => image) };
}

/** The keys by which something is used that was not before. */
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
