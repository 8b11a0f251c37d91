import * as z from 'zod';

/** Answer of `query-rx-filter` (QEMU, qapi/net), of which only virtio-net knows anything, as far as it is read. */
const filters = z.array(z.object({ 'multicast-table': z.array(z.string()) }));

/** The group of all hosts (RFC 1112), to which every IPv4 interface listens that is up. */
const ALL_HOSTS = '01:00:5e:00:00:01';

/** Whether the guest has brought a card up. */
export function isCardUp(answer: unknown): boolean | 'unknown' {
  const read = filters.safeParse(answer);
  if (!read.success) return 'unknown';
  return read.data.some((filter) => filter['multicast-table'].includes(ALL_HOSTS));
}
