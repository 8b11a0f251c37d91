import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { AnyAuthMethod, Client, ConnectConfig } from 'ssh2';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { unlessAborted } from '../host/abort.ts';
import { tailOf } from '../host/tail.ts';
import { trace } from '../host/trace.ts';
import type { ScriptResult } from '../transfer/guest-shell.ts';
import { SCRIPT_COMMAND, afterMark, scriptLine } from './script-channel.ts';

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

/** Runs one of our scripts on a login. */
export async function askBy(client: Client, script: string, signal: AbortSignal): Promise<ScriptResult> {
  const answer = new Promise<ScriptResult>((resolve, reject) => {
    client.exec(SCRIPT_COMMAND, (error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      const mark = randomBytes(8).toString('hex');
      const said = afterMark(channel, Buffer.from(mark));
      const [stdout, stderr] = [tailOf(said), tailOf(channel.stderr)];
      let code = 1;
      channel.on('exit', (exit: number | null) => (code = exit ?? 1));
      void Promise.all([once(channel, 'close'), once(said, 'end')]).then(() =>
        resolve({ code, stdout: stdout.text, stderr: stderr.text }),
      );
      channel.end(scriptLine(`printf %s ${mark}\n${script}`));
    });
  });
  return unlessAborted(answer, signal);
}

/** A pair of keys in the forms of OpenSSH: a private key file, and `TYPE BASE64`. */
export async function makeKeyPair(): Promise<{ readonly private: string; readonly public: string }> {
  const { default: ssh2 } = await import('ssh2');
  return ssh2.utils.generateKeyPairSync('ed25519');
}

/** The public half of a private key, as `TYPE BASE64`; undefined where that is none. */
export async function publicKeyOf(privateKey: string): Promise<string | undefined> {
  const { default: ssh2 } = await import('ssh2');
  const key = ssh2.utils.parseKey(privateKey);
  return key instanceof Error ? undefined : `${key.type} ${key.getPublicSSH().toString('base64')}`;
}
