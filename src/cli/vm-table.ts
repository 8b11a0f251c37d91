import type { VmRow } from '../vmstore/list.ts';
import { table } from './table.ts';

/** Formats the VMs of a store as a table; `now` in milliseconds. */
export function vmTable(
  vms: readonly VmRow[],
  columns: { readonly ssh: boolean; readonly pid: boolean },
  now: number,
): string {
  const anyForwards = vms.some(({ forwards }) => forwards.length > 0);
  const heads = [
    'NAME',
    'IMAGE',
    'STATUS',
    'AGE',
    ...(columns.ssh ? ['SSH'] : []),
    ...(columns.pid ? ['PID'] : []),
    ...(anyForwards ? ['FORWARDS'] : []),
  ];
  const rows = vms.map(({ name, images, status, started, pid, ssh, forwards }) => [
    name,
    images.join(' + ') || '-',
    started === undefined ? VM_STATUS[status] : `Started ${started.replace('T', ' ').slice(0, 19)} UTC`,
    started === undefined ? '-' : age(now - Date.parse(started)),
    ...(columns.ssh ? [sshText(ssh)] : []),
    ...(columns.pid ? [String(pid ?? '-')] : []),
    ...(anyForwards ? [forwardsText(forwards)] : []),
  ]);
  return table([heads, ...rows]);
}

/** Formats the ssh address of a VM; a closed port is reachable only through the shared login. */
function sshText(ssh: VmRow['ssh']): string {
  if (ssh === undefined) return 'no';
  return ssh.port === undefined ? `${ssh.user}, by transient ssh` : `${ssh.user}@127.0.0.1:${ssh.port}`;
}

/** Formats forwards in the option's syntax, each with its protocol. */
function forwardsText(forwards: VmRow['forwards']): string {
  const texts = forwards.map(
    ({ address, host, guest, protocol }) => `${address}:${host}:${guest}/${protocol}`,
  );
  return texts.join(', ') || '-';
}

const VM_STATUS: Readonly<Record<VmRow['status'], string>> = {
  running: 'Started',
  'in-use': 'In use',
  offline: 'Offline',
  broken: 'Broken (transient rm removes it)',
  ended: 'Ended by itself',
};

/** Formats a duration in milliseconds in its two largest units. */
function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  return units
    .slice(first, first + 2)
    .map(([unit, size], index) => [
      Math.floor(index === 0 ? seconds / size : (seconds % (units[first]?.[1] ?? 1)) / size),
      unit,
    ])
    .filter(([count], index) => index === 0 || count !== 0)
    .map((parts) => parts.join(' '))
    .join(' ');
}
