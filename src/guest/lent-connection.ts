import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

/** A connection of ours that a program can use: it finds it at a port of 127.0.0.1, once. */
export interface LentConnection {
  readonly port: number;
  /** Takes it back; a program that uses it is cut off. */
  close: () => void;
}

/**
 * Lends a connection to a program that can only make its own, as ssh does. The first to connect gets it, and nobody is
 * listened to afterwards; what it leads to has a port of its own that anybody on this host can connect to.
 */
export async function lendConnection(connection: Socket): Promise<LentConnection> {
  const server = createServer({ noDelay: true }, (borrower) => {
    server.close();
    for (const [from, to] of [
      [borrower, connection],
      [connection, borrower],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.maxConnections = 1;
  server.listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      connection.destroy();
    },
  };
}
