import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Gate } from './gate.ts';

/** Bytes in memory, or a file of the host. */
export type Content = Buffer | { readonly file: string };

/** Something that happens once so many bytes of a body were sent. */
export interface Stop {
  readonly after: number;
  readonly act: 'cut' | 'stall' | Gate;
}

export interface Sending {
  readonly content: Content;
  /** First and one past the last byte. */
  readonly from: number;
  readonly to: number;
  readonly stops: readonly Stop[];
  /** Bytes per second. */
  readonly rate: number | undefined;
  readonly onSent: (bytes: number) => void;
}

const PIECE = 65_536;

/** Sends a body with all that goes wrong with it; returns whether its end was reached. */
export async function sendBody(response: ServerResponse, sending: Sending): Promise<boolean> {
  const stops = sending.stops.toSorted((one, other) => one.after - other.after);
  let sent = 0;
  for await (const chunk of piecesOf(sending)) {
    let rest = chunk;
    do {
      const [stop] = stops;
      const piece = stop ? rest.subarray(0, stop.after - sent) : rest;
      await write(response, piece);
      if (response.destroyed) return false;
      sent += piece.length;
      rest = rest.subarray(piece.length);
      sending.onSent(sent);
      if (sending.rate !== undefined) await delay((1000 * piece.length) / sending.rate);
      if (stop?.after !== sent) continue;
      stops.shift();
      if (!(await act(stop.act, response))) return false;
    } while (rest.length > 0);
  }
  return true;
}

async function act(what: Stop['act'], response: ServerResponse): Promise<boolean> {
  if (what === 'stall') return false;
  if (what === 'cut') {
    response.socket?.destroy();
    return false;
  }
  await what.pass();
  return !response.destroyed;
}

async function* piecesOf({ content, from, to, rate }: Sending): AsyncGenerator<Buffer> {
  // one at least, so that what happens after no byte at all happens
  if (from >= to) yield Buffer.alloc(0);
  const size = rate === undefined ? PIECE : Math.max(1, Math.ceil(rate / 100));
  if (Buffer.isBuffer(content)) {
    for (let at = from; at < to; at += size) yield content.subarray(at, Math.min(at + size, to));
  } else if (from < to) {
    yield* createReadStream(content.file, { start: from, end: to - 1, highWaterMark: size });
  }
}

/** Waits until the kernel has the bytes, or the client has gone. */
async function write(response: ServerResponse, piece: Buffer): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('close', done);
      resolve();
    };
    response.once('close', done);
    response.write(piece, done);
  });
}
