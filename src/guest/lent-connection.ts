import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

/** A connection that a program can take over once, at a port of 127.0.0.1. */
export interface LentConnection {
  readonly port: number;
  /** Ends the offer, and the connection of a program that uses it. */
  close: () => void;
}

/**
 * Offers an open connection to a program that can only connect by itself, such as ssh. The first client gets it, and
 * the port is closed afterwards; it leads to a port that any user of this host can connect to anyway.
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
