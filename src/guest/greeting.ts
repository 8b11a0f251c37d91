import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from '../host/abort.ts';
import { patience } from '../host/deadline.ts';
import type { SshConnections } from '../plan/contract.ts';

/** Time between the end of one connection and the next, in milliseconds. */
const INTERVAL = 100;

/** After a connection that the server itself has turned away, in milliseconds: it counts those that come too often. */
const TURNED_AWAY_INTERVAL = 5000;

/**
 * How long the guest's network may leave the beginning of a connection unanswered until another one is begun, in
 * milliseconds: slirp repeats it only after seconds, and a guest that boots never sees the first.
 */
const UNANSWERED = 300;
const LOOK = 50;

type Attempt =
  | { readonly kind: 'greeted'; readonly socket: Socket }
  | { readonly kind: 'unanswered' | 'closed' | 'silent' | 'turned-away' };

/**
 * Waits until an ssh server greets (`SSH-`, RFC 4253 section 4.2) on a port of 127.0.0.1 and returns that connection with
 * the greeting still to be read: the caller is to log in on it. There is one connection at a time, and one that the guest
 * has answered is left to greet: servers hold it against a client when it leaves without trying to log in (sshd_config(5),
 * PerSourcePenalties), and bound how many may do so at a time (MaxStartups). All clients of slirp are one to them.
 */
export async function awaitGreeting(
  port: number,
  signal: AbortSignal,
  connections: () => Promise<SshConnections>,
): Promise<Socket> {
  for (;;) {
    const attempt = await attemptOnce(port, signal, connections);
    if (attempt.kind === 'greeted') return attempt.socket;
    const pause = attempt.kind === 'turned-away' ? TURNED_AWAY_INTERVAL : INTERVAL;
    if (attempt.kind !== 'unanswered') await delay(pause, undefined, { signal });
  }
}

async function attemptOnce(
  port: number,
  signal: AbortSignal,
  connections: () => Promise<SshConnections>,
): Promise<Attempt> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const over = new AbortController();
  const greeting = greetingOf(socket);
  try {
    const attempt = await unlessAborted(Promise.race([greeting, givenUp(connections, over.signal)]), signal);
    if (attempt.kind !== 'greeted') socket.destroy();
    return attempt;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    over.abort();
  }
}

async function greetingOf(socket: Socket): Promise<Attempt> {
  return new Promise((resolve) => {
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve({ kind: 'closed' }));
    socket.once('readable', () => {
      const data = socket.read() as Buffer | null;
      if (data === null) return;
      const isGreeting = data.toString('latin1', 0, 4) === 'SSH-';
      if (isGreeting) socket.unshift(data);
      resolve(isGreeting ? { kind: 'greeted', socket } : { kind: 'turned-away' });
    });
  });
}

/** Comes when a connection has shown that it leads nowhere; never once `over` is aborted. */
async function givenUp(connections: () => Promise<SshConnections>, over: AbortSignal): Promise<Attempt> {
  const begun = performance.now();
  let answered: number | undefined;
  for (;;) {
    await delay(LOOK);
    if (over.aborted) return { kind: 'closed' };
    const state = await connections();
    const now = performance.now();
    if (state !== 'unanswered') answered ??= now;
    if (answered === undefined && now - begun > UNANSWERED) return { kind: 'unanswered' };
    if (answered !== undefined && now - answered > patience('ssh-banner')) return { kind: 'silent' };
  }
}
