import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from '../host/abort.ts';
import { patience } from '../host/deadline.ts';
import type { GuestNetwork } from '../plan/executor.ts';

/** Time between two looks at the guest's network, in milliseconds. */
const LOOK = 50;

/** From when a guest has brought its card up until it may have an address, in milliseconds. */
const ADDRESS_DELAY = 200;

/** Time between a connection that the guest has refused and the next, in milliseconds. */
const INTERVAL = 200;

/** After a connection that the server itself has turned away, in milliseconds: it counts those that come too often. */
const TURNED_AWAY_INTERVAL = 5000;

/**
 * How long connections are left unanswered until another one is begun, in milliseconds; the last holds for all further
 * ones. slirp repeats the beginning of a connection after 6 s, then after 12, and for 76 s in all, whether we have given it
 * up or not: each that is given up reaches the server in the end as one that leaves without a login. So they are few.
 */
const UNANSWERED = [400, 400, 800, 1600, 3200, 6500] as const;

/** Where it is not known when the guest brings its card up, most of them are begun in vain. */
const UNANSWERED_IN_THE_DARK = 4000;

type Attempt =
  | { readonly kind: 'greeted'; readonly socket: Socket }
  | { readonly kind: 'unanswered' | 'closed' | 'silent' | 'turned-away' };

/**
 * Waits until an ssh server greets (`SSH-`, RFC 4253 section 4.2) on a port of 127.0.0.1 and returns that connection with
 * the greeting still to be read: the caller is to log in on it. There is one connection at a time, none before the guest has
 * a network, and one that the guest has answered is left to greet: servers hold it against a client when it leaves without
 * trying to log in (sshd_config(5), PerSourcePenalties), and bound how many may do so at a time (MaxStartups). All clients
 * of slirp are one to them.
 */
export async function awaitBanner(port: number, signal: AbortSignal, network: GuestNetwork): Promise<Socket> {
  const isKnown = await networkUp(network, signal);
  for (let unanswered = 0; ;) {
    const limit = isKnown ? (UNANSWERED[unanswered] ?? UNANSWERED[5]) : UNANSWERED_IN_THE_DARK;
    const attempt = await attemptOnce(port, limit, network, signal);
    if (attempt.kind === 'greeted') return attempt.socket;
    if (attempt.kind === 'unanswered') unanswered += 1;
    else await delay(PAUSE[attempt.kind], undefined, { signal });
  }
}

const PAUSE = { closed: INTERVAL, silent: INTERVAL, 'turned-away': TURNED_AWAY_INTERVAL } as const;

/** Waits until the guest has brought its card up; returns false where nobody can tell. */
async function networkUp({ isUp }: GuestNetwork, signal: AbortSignal): Promise<boolean> {
  for (let hasWaited = false; ; hasWaited = true) {
    const state = await unlessAborted(isUp(), signal);
    if (state === true && hasWaited) await delay(ADDRESS_DELAY, undefined, { signal });
    if (state !== false) return state === true;
    await delay(LOOK, undefined, { signal });
  }
}

async function attemptOnce(
  port: number,
  limit: number,
  network: GuestNetwork,
  signal: AbortSignal,
): Promise<Attempt> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const over = new AbortController();
  const greeting = bannerOf(socket);
  try {
    const ended = Promise.race([greeting, givenUp(limit, network, over.signal)]);
    const attempt = await unlessAborted(ended, signal);
    if (attempt.kind !== 'greeted') socket.destroy();
    return attempt;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    over.abort();
  }
}

async function bannerOf(socket: Socket): Promise<Attempt> {
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

/** Comes when a connection has shown that it leads nowhere, or shortly after `over` is aborted. */
async function givenUp(limit: number, { isAnswered }: GuestNetwork, over: AbortSignal): Promise<Attempt> {
  const begun = performance.now();
  let answered: number | undefined;
  for (;;) {
    await delay(LOOK);
    if (over.aborted) return { kind: 'closed' };
    const state = answered === undefined ? await isAnswered() : true;
    const now = performance.now();
    if (state !== false) answered ??= now;
    if (answered === undefined && now - begun > limit) return { kind: 'unanswered' };
    if (answered !== undefined && now - answered > patience('ssh-banner')) return { kind: 'silent' };
  }
}
