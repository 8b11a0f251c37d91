import * as z from 'zod';

/** Response of `query-rx-filter` (QEMU, qapi/net), which only virtio-net supports; only the fields that are used. */
const filters = z.array(z.object({ 'multicast-table': z.array(z.string()) }));

/** The all-hosts group (RFC 1112), which every IPv4 interface joins when it comes up. */
const ALL_HOSTS = '01:00:5e:00:00:01';

/** Whether the guest has brought up a card. */
export function isCardUp(answer: unknown): boolean | 'unknown' {
  const read = filters.safeParse(answer);
  if (!read.success) return 'unknown';
  return read.data.some((filter) => filter['multicast-table'].includes(ALL_HOSTS));
}
