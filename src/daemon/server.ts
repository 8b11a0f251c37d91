import { rm } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { problemOf } from '../problem.ts';
import type { Request, SupervisorEvent } from './protocol.ts';
import { SOCKET, eachMessage, parseRequest } from './protocol.ts';

export type SendEvent = (event: SupervisorEvent) => void;

/** Handles one request; returns the exit code. The signal is aborted when the client disconnects. */
export type HandleRequest = (request: Request, send: SendEvent, disconnected: AbortSignal) => Promise<number>;

/** Serves requests on a socket that only this user can access. */
export async function serveRequests(run: string, handle: HandleRequest): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket, handle));
  const path = join(run, SOCKET);
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

async function serve(socket: Socket, handle: HandleRequest): Promise<void> {
  const disconnected = new AbortController();
  socket.on('error', () => undefined);
  // the client may have disconnected
  for (const leaving of ['end', 'close']) socket.on(leaving, () => disconnected.abort());
  const send: SendEvent = (event) => void socket.write(`${JSON.stringify(event)}\n`);
  try {
    const request = parseRequest(await firstMessage(socket));
    send({ accepted: true });
    send({ exit: await handle(request, send, disconnected.signal) });
  } catch (error) {
    const { message, hint } = problemOf(error);
    send({ line: `error: ${message}` });
    if (hint !== undefined) send({ line: `  hint: ${hint}` });
    send({ exit: 1 });
  } finally {
    socket.end();
  }
}

async function firstMessage(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    eachMessage(socket, resolve, () => reject(new Error('the request is too long')));
    socket.once('close', () => reject(new Error('the client disconnected before its request')));
  });
}
