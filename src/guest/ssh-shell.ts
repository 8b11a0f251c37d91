import type { Duplex, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { shellExitCode } from '../host/exit.ts';
import { quoted } from '../shell-quote.ts';
import { tapErrors } from '../host/error-tap.ts';
import { tailOf } from '../host/tail.ts';
import type { ScriptResult, GuestShell, ScriptOutput, Reply } from '../transfer/guest-shell.ts';
import { untilNul } from '../transfer/guest-shell.ts';
import { TransientError } from '../problem.ts';
import { GNU_TAR_SCRIPT } from '../transfer/guest-scripts.ts';
import { SCRIPT_COMMAND, markedScript } from './script-channel.ts';
import type { Target } from './ssh-program.ts';
import { sshArguments } from './ssh-program.ts';

/** Maximum size of a script's output that is kept, in bytes. */
const MAX_OUTPUT = 4 * 1024 * 1024;

/** ssh's own exit code for a lost connection (ssh(1)). */
export const BROKEN = 255;

/** A shell in a running guest, over the user's ssh program. */
export class SshShell implements GuestShell {
  readonly sudo: string;
  readonly isRoot: boolean;
  readonly tar: string;
  readonly gnuTar: boolean;
  readonly #target: Target;

  private constructor(target: Target, found: Pick<SshShell, 'sudo' | 'isRoot' | 'tar' | 'gnuTar'>) {
    this.#target = target;
    this.sudo = found.sudo;
    this.isRoot = found.isRoot;
    this.tar = found.tar;
    this.gnuTar = found.gnuTar;
  }

  /** Determines the user's rights and the guest's tar. */
  static async open(target: Target, signal: AbortSignal): Promise<SshShell> {
    const plain = SshShell.plain(target);
    const script = `id -u; sudo -n true 2>/dev/null && echo sudo; ${GNU_TAR_SCRIPT}; :`;
    const [uid = '', ...abilities] = (await plain.run(script, signal)).stdout.split('\n');
    if (!/^\d+$/.test(uid)) throw strangeAnswer(uid);
    const sudo = uid !== '0' && abilities.includes('sudo') ? 'sudo -n' : '';
    const isRoot = uid === '0' || sudo !== '';
    const gnuTar = abilities.find((ability) => ability.includes('/'));
    const tar = gnuTar === undefined ? 'tar' : quoted(gnuTar);
    return new SshShell(target, { sudo, isRoot, tar, gnuTar: gnuTar !== undefined });
  }

  /** A shell in a guest as its user, without probing it. */
  static plain(target: Target): SshShell {
    return new SshShell(target, { sudo: '', isRoot: false, tar: 'tar', gnuTar: false });
  }

  /** The same shell over another login. */
  by(target: Target): SshShell {
    return new SshShell(target, this);
  }

  get user(): string {
    return this.#target.ssh.user;
  }

  async run(script: string, signal: AbortSignal): Promise<ScriptResult> {
    const child = await this.#start(script, signal);
    child.stdin?.end();
    return this.#answerOf(child, signal);
  }

  async send(script: string, reply: Reply, signal: AbortSignal): Promise<ScriptResult> {
    const child = await this.#start(script, signal);
    const stdin = stdinOf(child);
    const answer = this.#endOf(child, signal);
    // until the caller awaits it
    answer.catch(() => undefined);
    const text = child.stdout === null ? undefined : await untilNul(child.stdout);
    if (text === undefined) {
      stdin.end();
      return answer;
    }
    const faults: unknown[] = [];
    const source = tapErrors(reply(text), (error) => faults.push(error));
    // a script that has failed stops reading: its result is what counts
    await Promise.race([pipeline(source, stdin).catch(() => undefined), answer]);
    const answered = await answer;
    // incomplete input has not arrived, whatever the script made of it
    if (faults.length > 0) throw faults[0];
    return answered;
  }

  receive(script: string, signal: AbortSignal): ScriptOutput {
    const started = this.#start(script, signal);
    const answer = started.then(async (child) => {
      child.stdin?.end();
      return this.#endOf(child, signal);
    });
    answer.catch(() => undefined);
    return { bytes: bytesOf(started), answer };
  }

  async connect(script: string, socket: Duplex, signal: AbortSignal): Promise<ScriptResult> {
    const child = await this.#start(script, signal);
    const stdin = stdinOf(child);
    socket.pipe(stdin);
    child.stdout?.pipe(socket);
    return this.#endOf(child, signal);
  }

  /** Starts a long-running script, which the caller ends. */
  async start(script: string): Promise<Child> {
    const child = await this.#start(script);
    stdinOf(child);
    return child;
  }

  async #answerOf(child: Child, signal: AbortSignal): Promise<ScriptResult> {
    const answer: Buffer[] = [];
    let size = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_OUTPUT) answer.push(chunk);
    });
    const end = await this.#endOf(child, signal);
    return { ...end, stdout: Buffer.concat(answer).toString() };
  }

  /** Our scripts never exit with ssh's code for a lost connection. */
  async #endOf(child: Child, signal: AbortSignal): Promise<ScriptResult> {
    const complaints = tailOf(child.stderr);
    const code = shellExitCode(await child.exited);
    signal.throwIfAborted();
    const loss = code === BROKEN ? await this.#target.master?.loss() : undefined;
    if (loss) throw loss;
    return { code, stdout: '', stderr: complaints.text };
  }

  async #start(script: string, signal?: AbortSignal): Promise<Child> {
    const args = [...sshArguments(this.#target, 'internal'), '--', SCRIPT_COMMAND];
    const child = await startChild(this.#target.ssh.program, args, {
      fed: true,
      newProcessGroup: true,
      ...(signal ? { signal } : {}),
    });
    const { line, outputOf } = markedScript(script);
    stdinOf(child).write(line);
    return { ...child, stdout: child.stdout && outputOf(child.stdout) };
  }
}

function strangeAnswer(answer: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `the guest does not run scripts as expected: it returned ${JSON.stringify(answer.slice(0, 60))} instead of its user id`,
    hint: 'its login shell must be able to run "exec /bin/sh -c …"; try it manually with "transient ssh"',
  });
}

function stdinOf({ stdin }: Child): Writable {
  if (stdin === null) throw new Error('ssh was started without its stdin');
  stdin.on('error', () => undefined);
  return stdin;
}

async function* bytesOf(started: Promise<Child>): AsyncGenerator<Buffer> {
  const { stdout } = await started;
  for await (const chunk of stdout ?? []) yield chunk as Buffer;
}
