import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { AnyAuthMethod, Client, ConnectConfig } from 'ssh2';
import { once } from 'node:events';
import { unlessAborted } from '../host/abort.ts';
import { tailOf } from '../host/tail.ts';
import { trace } from '../host/trace.ts';
import type { ScriptResult } from '../transfer/guest-shell.ts';
import { DifferentHostKey } from './host-key.ts';
import { SCRIPT_COMMAND, markedScript } from './script-channel.ts';

/** Timeout of one login, in milliseconds: the handshake alone takes seconds while a guest is busy booting. */
const LOGIN_PATIENCE = 20_000;

/** Parameters of a login. */
export interface Login {
  readonly port: number;
  readonly user: string;
  /** Private keys to offer, as the content of their files. */
  readonly keys: readonly string[];
  /** Whether keys of an agent are offered after them. */
  readonly withAgent: boolean;
  /** The guest's host key in base64, if it is known. */
  readonly hostKey?: string | undefined;
  /** An existing connection to that port. */
  readonly socket?: Socket;
}

/** Logs in once with ssh2, by one of the keys or the user's agent. The caller ends the connection. */
export async function login(
  { port, user, keys, withAgent, hostKey, socket }: Login,
  signal: AbortSignal,
): Promise<Client> {
  const { default: ssh2 } = await import('ssh2');
  signal.throwIfAborted();
  const client = new ssh2.Client();
  // keys with a passphrase and unreadable ones are skipped
  const usable = keys.filter((key) => !(ssh2.utils.parseKey(key) instanceof Error));
  const agent = withAgent ? process.env['SSH_AUTH_SOCK'] : undefined;
  const methods: AnyAuthMethod[] = [
    ...usable.map((key) => ({ type: 'publickey' as const, username: user, key })),
    ...(agent ? [{ type: 'agent' as const, username: user, agent }] : []),
  ];
  let isOther = false;
  const hostVerifier = (key: Buffer): boolean => {
    isOther = key.toString('base64') !== hostKey;
    return !isOther;
  };
  const config: ConnectConfig = {
    // a handshake is a sequence of small messages, which Nagle's algorithm would delay
    sock: socket ?? connect({ port, host: '127.0.0.1', noDelay: true }),
    username: user,
    readyTimeout: LOGIN_PATIENCE,
    authHandler: methods,
    ...(hostKey === undefined ? {} : { hostVerifier }),
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
      reject(isOther ? new DifferentHostKey() : error);
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
      const { line, outputOf } = markedScript(script);
      const output = outputOf(channel);
      const [stdout, stderr] = [tailOf(output), tailOf(channel.stderr)];
      let code = 1;
      channel.on('exit', (exit: number | null) => (code = exit ?? 1));
      Promise.all([once(channel, 'close'), once(output, 'end')]).then(
        () => resolve({ code, stdout: stdout.text, stderr: stderr.text }),
        reject,
      );
      channel.end(line);
    });
  });
  return unlessAborted(answer, signal);
}

/** Public half of a private key, as `TYPE BASE64`; undefined if it is not a private key. */
export async function publicKeyOf(privateKey: string): Promise<string | undefined> {
  const { default: ssh2 } = await import('ssh2');
  const key = ssh2.utils.parseKey(privateKey);
  return key instanceof Error ? undefined : `${key.type} ${key.getPublicSSH().toString('base64')}`;
}
