import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { AuthContext, Connection, ParsedKey, ServerChannel, Session } from 'ssh2';
import { VAGRANT_PRIVATE_KEY } from '../../../src/guest/vagrant-key.ts';
import { SCRIPT_COMMAND } from '../../../src/guest/script-channel.ts';
import { HOST_KEY } from './host-key.ts';
import type { Life } from './life.ts';
import type { TakenSeed } from './seed.ts';

/** A guest that is nothing but its ssh server; what is run in it runs on the host. */
export interface Guest {
  readonly port: number;
  /** How many connections there are, and whether the guest's network answers them. */
  readonly connections: () => { readonly count: number; readonly answered: boolean };
  /** Nobody gets in any more; who is in stays. */
  readonly closePort: () => void;
  readonly powerOff: () => void;
}

/** Opens the port at once, as slirp does, and greets on it when the guest has booted. */
export async function bootGuest(port: number, life: Life, seed: TakenSeed | undefined): Promise<Guest> {
  const waiting = new Set<Socket>();
  const sockets = new Set<Socket>();
  let answers = life.faults.silentSsh === true;
  let greet = (socket: Socket): void => void waiting.add(socket);
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      waiting.delete(socket);
    });
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  if (life.faults.noSsh !== true && !answers) void openSsh();
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => ({ count: sockets.size, answered: answers }),
    closePort: () => void server.close(),
    powerOff: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };

  async function openSsh(): Promise<void> {
    const inject = await sshServer(life, seed);
    setTimeout(() => {
      life.happens('banner');
      answers = true;
      greet = inject;
      waiting.forEach(inject);
    }, life.faults.bannerDelay ?? 0);
  }
}

async function sshServer(life: Life, seed: TakenSeed | undefined): Promise<(socket: Socket) => void> {
  const { default: ssh2 } = await import('ssh2');
  const authorizedKey = life.faults.authorizedKey ?? seed?.loginKey ?? VAGRANT_PRIVATE_KEY;
  const authorized = ssh2.utils.parseKey(authorizedKey) as ParsedKey;
  let refusals = life.faults.refuseLogin === true ? Infinity : (life.faults.refuseLoginTimes ?? 0);
  const server = new ssh2.Server({ hostKeys: [seed?.hostKey ?? HOST_KEY] }, (client: Connection) => {
    const refuse = refusals > 0;
    client.on('authentication', (attempt) => {
      if (!refuse && proves(attempt, authorized)) {
        attempt.accept();
        return;
      }
      if (refuse && attempt.method === 'publickey') refusals--;
      attempt.reject(['publickey']);
    });
    client.on('ready', () => {
      life.happens('login');
      client.on('session', (accept) => {
        serve(accept(), life);
      });
    });
    client.on('error', () => undefined);
  });
  return (socket) => server.injectSocket(socket);
}

/** Whether the client asks for, or has signed with, the key (RFC 4252 section 7). */
function proves(attempt: AuthContext, key: ParsedKey): boolean {
  if (attempt.method !== 'publickey' || !attempt.key.data.equals(key.getPublicSSH())) return false;
  const { signature, blob, hashAlgo } = attempt;
  if (signature === undefined || blob === undefined) return true;
  // ssh2 answers with an error instead of false
  return (key.verify(blob, signature, hashAlgo) as unknown) === true;
}

function serve(session: Session, life: Life): void {
  session.on('pty', (accept) => accept());
  session.on('exec', (accept, _reject, { command }) => {
    const channel = accept();
    if (command === SCRIPT_COMMAND) void startScript(channel, life);
    else start(channel, ['-c', command], life, command);
  });
  session.on('shell', (accept) => {
    start(accept(), [], life, 'shell');
  });
}

/** A script of ours, which is a line of stdin, goes by what it does. */
async function startScript(channel: ServerChannel, life: Life): Promise<void> {
  let line = Buffer.alloc(0);
  while (!line.includes(10)) {
    const chunk = channel.read() as Buffer | null;
    if (chunk !== null) line = Buffer.concat([line, chunk]);
    else await once(channel, 'readable');
  }
  channel.unshift(line);
  const [script = ''] = line.toString().split('\n');
  const [, ...lines] = script.replaceAll('\\n', '\n').replaceAll('\\\\', '\\').split('\n');
  // without the mark before its output
  start(channel, ['-c', SCRIPT_COMMAND], life, lines.join('\n'));
}

/** Part of the script that replaces keys; a fault of that name is about it. */
const KEY_SCRIPT = 'replaced-by-transient';

function start(channel: ServerChannel, args: readonly string[], life: Life, command: string): void {
  const { freezes, hangs } = life.faults;
  if (command.includes(KEY_SCRIPT) && freezes !== KEY_SCRIPT && hangs !== KEY_SCRIPT) {
    // it would look at the files of the host; no guest of ours has any key to replace
    channel.exit(0);
    channel.end();
    return;
  }
  life.happens('command', { command });
  if (freezes !== undefined && new RegExp(freezes).test(command)) process.kill(process.pid, 'SIGSTOP');
  if (hangs !== undefined && new RegExp(hangs).test(command)) return;
  if (life.faults.ioError || (life.faults.fate !== undefined && /\bfate\b/.test(command))) return;
  // in a real guest it would go when the machine goes
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', ...args], { env: guestEnvironment() });
  channel.pipe(child.stdin);
  child.stdin.on('error', () => undefined);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on('close', (code, signal) => {
    if (code === null) channel.exit(signal?.slice(3) ?? 'KILL');
    else channel.exit(code);
    channel.end();
  });
  channel.on('close', () => child.kill('SIGHUP'));
}

/** Marked as the guest's, so that a rig does not take what runs in it for something of ours that was left behind. */
function guestEnvironment(): NodeJS.ProcessEnv {
  const { PATH, TRANSIENT_RIG } = process.env;
  return { PATH, USER: 'vagrant', ...(TRANSIENT_RIG ? { TRANSIENT_RIG_GUEST: TRANSIENT_RIG } : {}) };
}
