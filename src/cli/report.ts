import { amount } from '../run/progress-text.ts';
import { problemLines } from '../run/problem-lines.ts';
import type { Problem } from '../problem.ts';

/** Capabilities of an output stream: cursor movement and colours. */
export interface Looks {
  readonly live: boolean;
  readonly color: boolean;
}

/** Capabilities of a stream; `NO_COLOR` (no-color.org) disables colours, a dumb terminal everything but plain lines. */
export function looksOf(
  stream: { isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): Looks {
  const terminal = stream.isTTY === true && environment['TERM'] !== 'dumb';
  return { live: terminal, color: terminal && !environment['NO_COLOR'] };
}

/** Prints problems to stderr. */
export function reportProblems(problems: readonly Problem[], { color }: Looks): void {
  const lines = problems.flatMap((problem) => problemLines(problem, 'error', color));
  if (lines.length > 0) process.stderr.write(`${lines.join('\n')}\n`);
}

/** Prints a warning about a problem that does not stop the run. */
export function reportWarning(problem: Problem, { color }: Looks): void {
  process.stderr.write(`${problemLines(problem, 'warning', color).join('\n')}\n`);
}

/** Exit code for problems before a run starts: 2 for a bad command line, 1 for anything else. */
export function exitCodeOf(problems: readonly Problem[]): number {
  return problems.some(({ where }) => where?.kind === 'flag') ? 2 : 1;
}

/** Row of `image ls`; sizes in bytes, `added` as ISO time. */
interface ImageFacts {
  readonly name: string;
  readonly virtualSize: number;
  readonly realSize: number;
  readonly added: string;
}

/** The images of a backend as a table for people, or as JSON. */
export function imagesText(images: readonly ImageFacts[], json: boolean): string {
  if (json) return `${JSON.stringify(images, undefined, 2)}\n`;
  const rows = images.map(({ name, virtualSize, realSize, added }) => [
    name,
    amount(virtualSize),
    amount(realSize),
    added.replace('T', ' ').slice(0, 16),
  ]);
  return table([['NAME', 'VIRTUAL SIZE', 'REAL SIZE', 'ADDED (UTC)'], ...rows]);
}

/** Row of `ps`; times as ISO time. */
interface VmFacts {
  readonly name: string;
  readonly images: readonly string[];
  readonly status: 'running' | 'in-use' | 'offline' | 'broken' | 'ended';
  readonly started?: string;
  readonly pid?: number;
  readonly ssh?: { readonly port?: number; readonly user: string };
  readonly forwards: readonly {
    readonly address: string;
    readonly host: number;
    readonly guest: number;
    readonly protocol: string;
  }[];
}

/** The VMs of a store as a table for people, or as JSON. */
export function vmsText(
  vms: readonly VmFacts[],
  { json, columns, now }: { json: boolean; columns: { ssh: boolean; pid: boolean }; now: number },
): string {
  if (json) return `${JSON.stringify(vms, undefined, 2)}\n`;
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
function sshText(ssh: VmFacts['ssh']): string {
  if (ssh === undefined) return 'no';
  return ssh.port === undefined ? `${ssh.user}, by transient ssh` : `${ssh.user}@127.0.0.1:${ssh.port}`;
}

/** Formats forwards in the option's syntax, each with its protocol. */
function forwardsText(forwards: VmFacts['forwards']): string {
  const texts = forwards.map(
    ({ address, host, guest, protocol }) => `${address}:${host}:${guest}/${protocol}`,
  );
  return texts.join(', ') || '-';
}

const VM_STATUS: Readonly<Record<VmFacts['status'], string>> = {
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

/** Formats rows with aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_word, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((word, column) => word.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
