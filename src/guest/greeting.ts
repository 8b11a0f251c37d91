import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A guest that has not greeted for so long is slow at everything, in milliseconds: tries take their time from then on,
 * each of which is a process more in it.
 */
const SLOW = 20_000;
const MOST_SLOWNESS = 6;

/** A new try begins this often, in milliseconds. */
const INTERVAL = 200;

/** How long an ordinary try may take, in milliseconds. */
const SHORT = 800;

/** Every so many tries one is given more time: a guest under emulation can be slow to greet. */
const PATIENT_EVERY = 10;
const PATIENCE = 4000;

/**
 * Waits until an ssh server greets (`SSH-`, RFC 4253 section 4.2) on a port of 127.0.0.1 and returns that
 * connection with the greeting still to be read. QEMU's user network accepts a connection before the guest listens,
 * and one made too early can stay dead for seconds; so tries are many and overlap. The one that was greeted is to be
 * used: OpenSSH 9.8 and newer hold it against a client when it leaves without trying to log in (sshd_config,
 * PerSourcePenalties), which also bounds how many may be open at a time.
 */
export async function awaitGreeting(port: number, signal: AbortSignal): Promise<Socket> {
  const tries = new Set<Socket>();
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  let greeted: Socket | undefined;
  const begun = performance.now();
  for (let count = 1; !until.aborted; count++) {
    const slowness = Math.min(1 + (performance.now() - begun) / SLOW, MOST_SLOWNESS);
    const patience = count % PATIENT_EVERY === 0 ? PATIENCE : SHORT;
    tryOnce(port, patience * slowness, tries, (socket) => {
      greeted ??= socket;
      over.abort();
    });
    await delay(INTERVAL * slowness, undefined, { signal: until }).catch(() => undefined);
  }
  if (greeted) tries.delete(greeted);
  for (const socket of tries) socket.destroy();
  if (greeted === undefined || signal.aborted) throw signal.reason as Error;
  return greeted;
}

function tryOnce(
  port: number,
  patience: number,
  tries: Set<Socket>,
  onGreeting: (socket: Socket) => void,
): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  tries.add(socket);
  const timer = setTimeout(() => socket.destroy(), patience);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    tries.delete(socket);
  });
  socket.once('readable', () => {
    const data = socket.read() as Buffer | null;
    if (data?.toString('latin1', 0, 4) === 'SSH-') {
      clearTimeout(timer);
      socket.unshift(data);
      onGreeting(socket);
    } else socket.destroy();
  });
}
