import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessAborted } from '../host/abort.ts';
import { patience } from '../host/deadline.ts';
import type { GuestNetwork } from '../plan/executor.ts';

/** Poll interval for the guest's network, in milliseconds. */
const LOOK = 50;

/** Delay after the guest's card comes up, for it to get an address, in milliseconds. */
const ADDRESS_DELAY = 200;

/** Interval after a connection that the guest refused, in milliseconds. */
const INTERVAL = 200;

/**
 * Interval after a connection that the server itself closed, in milliseconds: servers penalise frequent connections.
 */
const TURNED_AWAY_INTERVAL = 5000;

/**
 * Timeouts of consecutive connection attempts, in milliseconds; the last one repeats. slirp retries a connection after
 * 6 s, then after 12, and for 76 s in all, even if it was closed here: each abandoned one eventually reaches the server
 * as a client that leaves without a login. So attempts are few.
 */
const UNANSWERED = [400, 400, 800, 1600, 3200, 6500] as const;

/** Timeout if it is unknown when the guest brings its card up, since most attempts are then in vain. */
const UNANSWERED_IN_THE_DARK = 4000;

type Attempt =
  | { readonly kind: 'greeted'; readonly socket: Socket }
  | { readonly kind: 'unanswered' | 'closed' | 'silent' | 'turned-away' };

/**
 * Waits for an ssh banner (`SSH-`, RFC 4253 section 4.2) on a port of 127.0.0.1 and returns that connection with the
 * banner still unread, for the caller to log in on. There is one connection at a time, none before the guest has a
 * network, and one that the guest has accepted is kept until the banner arrives: servers penalise clients that leave
 * without trying to log in (sshd_config(5), PerSourcePenalties), and limit their number (MaxStartups). All clients of
 * slirp have the same address.
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

/** Waits for the guest's card to come up; returns false if that cannot be determined. */
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
    const ended = Promise.race([greeting, abandoned(limit, network, over.signal)]);
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

/** Resolves when a connection has proved useless, or shortly after `over` is aborted. */
async function abandoned(limit: number, { isAnswered }: GuestNetwork, over: AbortSignal): Promise<Attempt> {
  const start = performance.now();
  let answered: number | undefined;
  for (;;) {
    await delay(LOOK);
    if (over.aborted) return { kind: 'closed' };
    const state = answered === undefined ? await isAnswered() : true;
    const now = performance.now();
    if (state !== false) answered ??= now;
    if (answered === undefined && now - start > limit) return { kind: 'unanswered' };
    if (answered !== undefined && now - answered > patience('ssh-banner')) return { kind: 'silent' };
  }
}
