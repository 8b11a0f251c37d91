import type { Connection } from './connection.ts';
import type { Merged } from './merge.ts';

/** How the VM is stopped: killed if it keeps nothing, else shut down by the guest within a timeout in seconds. */
export type ShutdownMode =
  { readonly kind: 'at-once' } | { readonly kind: 'orderly'; readonly timeout: number };

/** How the VM is stopped: a stateless one is killed, unless its QEMU arguments attach a disk or share. */
export function endingOf(
  { option, isSet }: Merged,
  connection: Connection,
  keepsSomething: boolean,
): ShutdownMode {
  const isOrderly =
    keepsSomething ||
    isSet('shutdown-timeout') ||
    connection.kind === 'qemu-console' ||
    option('qemu-args').some((argument) => DATA_ARGUMENT.test(argument));
  return isOrderly ? { kind: 'orderly', timeout: option('shutdown-timeout') } : { kind: 'at-once' };
}

const DATA_ARGUMENT =
  /^--?(drive|blockdev|hd[a-d]|sd|mtdblock|pflash|fsdev|virtfs|usbdevice)$|^(nvme|usb-storage|virtio-blk|scsi-|ide-|virtio-9p|vhost-user-fs)/;
