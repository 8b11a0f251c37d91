import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { PassThrough } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { ScriptResult, GuestShell } from '../../src/transfer/guest-shell.ts';

/** This host passes for a guest whose scripts run on it. */
export const HOST_AS_GUEST: GuestShell = {
  sudo: '',
  tar: 'tar',
  gnuTar: true,
  run: async (script) => {
    const child = started(script);
    const [stdout, answer] = await Promise.all([buffer(child.stdout), answerOf(child)]);
    return { ...answer, stdout: stdout.toString() };
  },
  send: () => Promise.reject(new Error('not asked for')),
  receive: (script) => {
    const child = started(script);
    // a child that ends takes with it what nobody reads yet
    return { bytes: child.stdout.pipe(new PassThrough()), answer: answerOf(child) };
  },
  connect: joined,
};

/** Runs a script whose stdin and stdout are the other end of a socket. */
async function joined(script: string, socket: Duplex): Promise<ScriptResult> {
  const child = started(script);
  child.stdin.on('error', () => undefined);
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
  return answerOf(child);
}

type Started = ReturnType<typeof started>;

function started(script: string) {
  return spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'pipe'] });
}

async function answerOf(child: Started & ChildProcess): Promise<ScriptResult> {
  const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode ?? 1, stdout: '', stderr };
}
