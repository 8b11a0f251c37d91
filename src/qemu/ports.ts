import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ForwardSpec } from '../config/vm-spec.ts';
import type { BootMachine } from '../plan/step.ts';
import { TransientError, errorCode, systemMessage } from '../problem.ts';

/** What leads to the guest's ssh, as a forward. */
const SSH = { address: '127.0.0.1', guest: 22, protocol: 'tcp' } as const;

/** All forwards of a machine's ssh card, that to the guest's ssh first. */
export function forwardsOf({ ssh, forwards }: Pick<BootMachine, 'ssh' | 'forwards'>): ForwardSpec[] {
  return ssh === undefined ? [] : [{ ...SSH, host: ssh.port ?? 0 }, ...forwards];
}

/** QEMU's own message about a port in use names neither the option nor the way out. */
export async function refuseTakenPorts(
  vm: string,
  machine: Pick<BootMachine, 'ssh' | 'forwards'>,
): Promise<void> {
  for (const [index, forward] of forwardsOf(machine).entries()) {
    if (forward.host !== 0) await tryPort(vm, forward, index === 0);
  }
}

async function tryPort(vm: string, forward: ForwardSpec, isSsh: boolean): Promise<void> {
  const { address, host: port, guest, protocol } = forward;
  try {
    await (protocol === 'tcp' ? tryTcp(address, port) : tryUdp(address, port));
  } catch (cause) {
    const why = errorCode(cause) === 'EADDRINUSE' ? 'it is in use' : reasonOf(cause);
    const purpose = isSsh ? 'ssh' : `the guest's ${guest}/${protocol}`;
    throw new TransientError(
      {
        reason: 'conflict',
        message: `cannot use port ${port} of ${address} for ${purpose}: ${why}`,
        where: { kind: 'vm', vm },
        hint: isSsh
          ? 'choose another with --ssh-port, or leave it out: a free one is picked'
          : `choose another port for the forward, or 0: a free one is picked`,
      },
      { cause },
    );
  }
}

function reasonOf(cause: unknown): string {
  return errorCode(cause) === 'EADDRNOTAVAIL' ? 'the host has no such address' : systemMessage(cause);
}

async function tryTcp(host: string, port: number): Promise<void> {
  const server = createServer();
  server.listen({ port, host, exclusive: true });
  await once(server, 'listening');
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

async function tryUdp(address: string, port: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind({ port, address, exclusive: true });
  await once(socket, 'listening');
  await new Promise<void>((resolve) => socket.close(() => resolve()));
}

/** Header of the part of `info usernet` that is about our ssh card. */
const SECTION = /^Hub -?\d+ \(ssh\):/;

/** One forward there: protocol, descriptor, address and port of the host, address and port of the guest (libslirp). */
const ROW = /^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)\b/;

/** The forwards that QEMU has made of the wanted ones, in their order, with the ports that were picked. */
export function readForwards(usernet: string, wanted: readonly ForwardSpec[]): (ForwardSpec | undefined)[] {
  const rows = rowsOf(usernet);
  // what was asked for by number first: else a forward from any port could take it for its own
  const inTurn = [...wanted].sort((one, other) => Number(one.host === 0) - Number(other.host === 0));
  const made = new Map<ForwardSpec, ForwardSpec | undefined>();
  for (const forward of inTurn) {
    const index = rows.findIndex((row) => isMadeOf(row, forward));
    made.set(forward, index < 0 ? undefined : rows.splice(index, 1)[0]);
  }
  return wanted.map((forward) => made.get(forward));
}

/**
 * One connection from this host: its state in the words of RFC 9293, and the port of ours by which it came in. They are
 * listed from the newest to the oldest; nothing tells which client of this host is the other end.
 */
const CONNECTION = /^\s*TCP\[(\w+)\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+\d+\b/;

/** Whether the guest has answered the newest connection by a port of ours: one that it has not is in SYN_SENT. */
export function isNewestAnswered(usernet: string, port: number): boolean {
  const [newest = 'SYN_SENT'] = usernet.split(/\r?\n/).flatMap((line) => {
    const [, state = '', from] = CONNECTION.exec(line) ?? [];
    return Number(from) === port && state !== 'HOST_FORWARD' ? [state] : [];
  });
  return newest !== 'SYN_SENT';
}

function rowsOf(usernet: string): ForwardSpec[] {
  let isOurs = false;
  return usernet.split(/\r?\n/).flatMap((line): ForwardSpec[] => {
    if (line.startsWith('Hub ')) isOurs = SECTION.test(line);
    const [, name, host, port, guest] = ROW.exec(line) ?? [];
    if (!isOurs || name === undefined || host === undefined) return [];
    const address = host === '*' ? '0.0.0.0' : host;
    const protocol = name === 'UDP' ? 'udp' : 'tcp';
    return [{ address, host: Number(port), guest: Number(guest), protocol }];
  });
}

function isMadeOf(row: ForwardSpec, { address, host, guest, protocol }: ForwardSpec): boolean {
  return (
    row.protocol === protocol &&
    row.address === address &&
    row.guest === guest &&
    (host === 0 || row.host === host)
  );
}
