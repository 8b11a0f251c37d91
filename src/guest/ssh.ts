import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { AnyAuthMethod, Client, ConnectConfig } from 'ssh2';
import { trace } from '../host/trace.ts';

/** How long one login may take, in milliseconds: the handshake alone takes seconds in a guest that is busy booting. */
const LOGIN_PATIENCE = 20_000;

/** Where and as whom to log in. */
export interface Login {
  readonly port: number;
  readonly user: string;
  /** Private keys to offer, in the form of their files. */
  readonly keys: readonly string[];
  /** Whether those of an agent are offered after them. */
  readonly withAgent: boolean;
  /** A connection to that port which was made already. */
  readonly socket?: Socket;
}

/** Logs in once with our own ssh, by one of the keys or by the user's agent. The caller ends the connection. */
export async function login(
  { port, user, keys, withAgent, socket }: Login,
  signal: AbortSignal,
): Promise<Client> {
  const { default: ssh2 } = await import('ssh2');
  signal.throwIfAborted();
  const client = new ssh2.Client();
  // a key with a passphrase, or none at all, is not for us to offer
  const usable = keys.filter((key) => !(ssh2.utils.parseKey(key) instanceof Error));
  const agent = withAgent ? process.env['SSH_AUTH_SOCK'] : undefined;
  const methods: AnyAuthMethod[] = [
    ...usable.map((key) => ({ type: 'publickey' as const, username: user, key })),
    ...(agent ? [{ type: 'agent' as const, username: user, agent }] : []),
  ];
  const config: ConnectConfig = {
    // a handshake is small messages to and fro, each of which would wait for the acknowledgement of the last
    sock: socket ?? connect({ port, host: '127.0.0.1', noDelay: true }),
    username: user,
    readyTimeout: LOGIN_PATIENCE,
    authHandler: methods,
    debug: (line) => trace('debug', () => `ssh: ${line}`),
  };
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      client.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    client.on('ready', () => {
      signal.removeEventListener('abort', abort);
      resolve(client);
    });
    client.on('error', (error) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    });
    client.connect(config);
  });
}
