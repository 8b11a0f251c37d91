import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { awaitBanner } from '../../src/guest/ssh-banner.ts';
import type { GuestNetwork } from '../../src/plan/executor.ts';

const NEVER = new AbortController().signal;

let server: Server | undefined;
afterEach(() => server?.close());

/** A port that treats its connections like this, in their order; how many there were, and how many at a time. */
async function portWith(...treat: ((socket: Socket) => void)[]) {
  const seen = { count: 0, most: 0, open: 0 };
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => (seen.open -= 1));
    seen.open += 1;
    seen.most = Math.max(seen.most, seen.open);
    treat[Math.min(seen.count, treat.length - 1)]?.(socket);
    seen.count += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, seen };
}

function network(isUp: () => boolean | 'unknown', isAnswered: () => boolean | 'unknown'): GuestNetwork {
  return { isUp: () => Promise.resolve(isUp()), isAnswered: () => Promise.resolve(isAnswered()) };
}

const greet = (socket: Socket): void => void socket.write('SSH-2.0-test\r\n');
const refuse = (socket: Socket): void => void socket.end();
const silent = (): void => undefined;

test('the connection that was greeted is handed on, with its greeting', async () => {
  const { port, seen } = await portWith(greet);
  const socket = await awaitBanner(
    port,
    NEVER,
    network(
      () => true,
      () => true,
    ),
  );
  expect(String(socket.read())).toBe('SSH-2.0-test\r\n');
  expect(seen.count).toBe(1);
  socket.destroy();
});

test('there is no connection before the guest has its card up', async () => {
  const { port, seen } = await portWith(greet);
  let looks = 0;
  const isUp = (): boolean => {
    expect(seen.count).toBe(0);
    looks += 1;
    return looks > 5;
  };
  (
    await awaitBanner(
      port,
      NEVER,
      network(isUp, () => true),
    )
  ).destroy();
  expect([looks, seen.count]).toEqual([6, 1]);
});

test('a guest that answers late is given its time, on the same connection', async () => {
  const { port, seen } = await portWith((socket) => setTimeout(() => greet(socket), 2000));
  (
    await awaitBanner(
      port,
      NEVER,
      network(
        () => true,
        () => true,
      ),
    )
  ).destroy();
  expect(seen.count).toBe(1);
});

test('one that is not answered is made anew, one at a time, and ever more seldom', async () => {
  const { port, seen } = await portWith(silent, silent, silent, greet);
  (
    await awaitBanner(
      port,
      NEVER,
      network(
        () => true,
        () => false,
      ),
    )
  ).destroy();
  expect(seen.count).toBe(4);
  // the server may hear of the end of one after the beginning of the next
  expect(seen.most).toBeLessThanOrEqual(2);
});

test('one that is refused is made again', async () => {
  const { port, seen } = await portWith(refuse, refuse, greet);
  (
    await awaitBanner(
      port,
      NEVER,
      network(
        () => 'unknown',
        () => 'unknown',
      ),
    )
  ).destroy();
  expect(seen.count).toBe(3);
});

test('an abort ends the wait at once, and the connection with it', async () => {
  const { port, seen } = await portWith(silent);
  const abort = new AbortController();
  const waiting = awaitBanner(
    port,
    abort.signal,
    network(
      () => true,
      () => true,
    ),
  );
  setTimeout(() => abort.abort(), 100);
  await expect(waiting).rejects.toThrow(/abort/);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(seen).toMatchObject({ count: 1, open: 0 });
});
