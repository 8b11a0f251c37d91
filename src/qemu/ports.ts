import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ForwardSpec } from '../config/vm-spec.ts';
import type { BootMachine } from '../plan/step.ts';
import { TransientError, errorCode, systemMessage } from '../problem.ts';

/** The forward to the guest's ssh. */
const SSH = { address: '127.0.0.1', guest: 22, protocol: 'tcp' } as const;

/** All forwards of a machine's ssh card, the one to ssh first. */
export function forwardsOf({ ssh, forwards }: Pick<BootMachine, 'ssh' | 'forwards'>): ForwardSpec[] {
  return ssh === undefined ? [] : [{ ...SSH, host: ssh.port ?? 0 }, ...forwards];
}

/** Checks ports before the boot: QEMU's own message about a port in use names neither the option nor a remedy. */
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
    const why = errorCode(cause) === 'EADDRINUSE' ? 'it is already in use' : reasonOf(cause);
    const purpose = isSsh ? 'ssh' : `the guest's ${guest}/${protocol}`;
    throw new TransientError(
      {
        reason: 'conflict',
        message: `cannot use port ${port} of ${address} for ${purpose}: ${why}`,
        where: { kind: 'vm', vm },
        hint: isSsh
          ? 'choose another with --ssh-port, or omit it to use any free port'
          : `choose another port for the forward, or 0 for any free port`,
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

/** Section header of our ssh card in `info usernet`. */
const SECTION = /^Hub -?\d+ \(ssh\):/;

/** A forward in that section: protocol, descriptor, host address and port, guest address and port (libslirp). */
const ROW = /^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)\b/;

/** Matches QEMU's forwards to the requested ones, in their order, with the ports that were chosen. */
export function readForwards(
  usernet: string,
  requested: readonly ForwardSpec[],
): (ForwardSpec | undefined)[] {
  const rows = rowsOf(usernet);
  // forwards with a fixed port first: otherwise one with any port could claim theirs
  const inTurn = [...requested].sort((one, other) => Number(one.host === 0) - Number(other.host === 0));
  const actual = new Map<ForwardSpec, ForwardSpec | undefined>();
  for (const forward of inTurn) {
    const index = rows.findIndex((row) => matches(row, forward));
    actual.set(forward, index < 0 ? undefined : rows.splice(index, 1)[0]);
  }
  return requested.map((forward) => actual.get(forward));
}

/**
 * A connection from this host: its state (RFC 9293), and the host port it came in by. The newest is listed first; the
 * client is unknown.
 */
const CONNECTION = /^\s*TCP\[(\w+)\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+\d+\b/;

/** Whether the guest has accepted the newest connection to one of our ports; otherwise it is in SYN_SENT. */
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

function matches(row: ForwardSpec, { address, host, guest, protocol }: ForwardSpec): boolean {
  return (
    row.protocol === protocol &&
    row.address === address &&
    row.guest === guest &&
    (host === 0 || row.host === host)
  );
}
