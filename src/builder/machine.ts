import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { unlessAborted } from '../host/abort.ts';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import { limited, linked, patience } from '../host/deadline.ts';
import { tailOf } from '../host/tail.ts';
import { whyNoKvm } from '../host/kvm.ts';
import { findProgram } from '../host/program.ts';
import { guestArchitecture } from '../qemu/args.ts';
import { serialTail } from '../qemu/serial.ts';
import { snapshotDirectory } from '../qemu/snapshot.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import type { ScriptResult, GuestShell, ScriptOutput, Reply } from '../transfer/guest-shell.ts';
import { printfEscaped, untilNul } from '../transfer/guest-shell.ts';
import type { Appliance } from './appliance.ts';
import { builderArguments, builderProgram } from './args.ts';
import { ControlChannel } from './control-channel.ts';
import type { Mark } from './marked-stream.ts';
import { bytesOf } from './marked-stream.ts';
import { BUILDER_TAR } from './programs.ts';

/** Launch parameters of the builder VM. */
export interface BuilderLaunch {
  readonly appliance: Appliance;
  readonly disks: readonly string[];
  readonly readOnly: boolean;
  /**
   * Number of copies that will be requested; each has a port of its own, since closing a port is what ends a stream.
   */
  readonly copies: number;
  /** A private directory. */
  readonly directory: string;
}

/** A running builder VM with the guest's root filesystem mounted. */
export class Builder implements GuestShell {
  readonly sudo = '';
  readonly tar = BUILDER_TAR;
  readonly gnuTar = true;
  readonly #child: Child;
  readonly #link: ControlChannel;
  readonly #ports: readonly Duplex[];
  readonly #readOnly: boolean;
  #used = 0;

  private constructor(child: Child, link: ControlChannel, readOnly: boolean) {
    this.#child = child;
    this.#readOnly = readOnly;
    this.#link = link;
    this.#ports = child.channels.slice(1);
    // execa discards output without a reader; paused, it waits for one
    for (const port of this.#ports) port.on('error', () => undefined).pause();
  }

  static async boot(how: BuilderLaunch, signal: AbortSignal): Promise<Builder> {
    const program = builderProgram();
    await findProgram(program);
    const ports = ['control', ...Array.from({ length: how.copies }, (_none, index) => `copy${index}`)];
    const serialLog = join(how.directory, 'serial.log');
    const accel = whyNoKvm(guestArchitecture(program)) === undefined ? 'kvm' : 'tcg';
    const child = await startChild(program, builderArguments({ ...how, accel, ports, serialLog }), {
      channels: ports.length,
      newProcessGroup: true,
      environment: { TMPDIR: snapshotDirectory(process.env) },
    });
    const [control] = child.channels;
    if (control === undefined) throw new Error('the builder was started without its control port');
    const builder = new Builder(child, new ControlChannel(control, endOf(child, serialLog)), how.readOnly);
    try {
      await builder.#mount(how.readOnly, signal);
      return builder;
    } catch (error) {
      await builder.kill();
      throw error;
    }
  }

  async #mount(readOnly: boolean, signal: AbortSignal): Promise<void> {
    const { code, stderr } = await limited(signal, patience('builder-boot'), silent, async (until) => {
      await this.#link.ready(until);
      return this.#link.request(['mount', readOnly ? 'ro' : 'rw'], until);
    });
    if (code !== 0) throw notMounted(stderr);
  }

  async run(script: string, signal: AbortSignal): Promise<ScriptResult> {
    return this.#link.request(['ask', '-', printfEscaped(script)], signal);
  }

  async send(script: string, reply: Reply, signal: AbortSignal): Promise<ScriptResult> {
    const [name, port] = this.#nextPort();
    const answered = this.#link.request(['take', name, printfEscaped(script)], signal);
    using over = linked(signal);
    const fed = this.#replyOn(port, answered, reply, over.signal);
    try {
      // a script that has failed stops reading: its result is what counts
      return await Promise.race([answered, fed.then(() => answered)]);
    } finally {
      over.abort();
      await fed.catch(() => undefined);
      // end of its input, wherever it is
      port.destroy();
    }
  }

  /** Sends the reply to a script's first output on its port; a script that ends first gets nothing. */
  async #replyOn(port: Duplex, end: Promise<unknown>, reply: Reply, signal: AbortSignal): Promise<void> {
    const ended = end.then(
      () => undefined,
      () => undefined,
    );
    const output = await Promise.race([untilNul(port), ended]);
    if (output !== undefined) await pipeline(await reply(output), port, { signal });
  }

  receive(script: string, signal: AbortSignal): ScriptOutput {
    const [name, port] = this.#nextPort();
    const answer = this.#link.request(['give', name, printfEscaped(script)], signal);
    answer.catch(() => undefined);
    return { bytes: bytesOf(port, this.#markAfter(answer, signal)), answer };
  }

  async connect(script: string, socket: Duplex, signal: AbortSignal): Promise<ScriptResult> {
    const [name, port] = this.#nextPort();
    const answer = this.#link.request(['join', name, printfEscaped(script)], signal);
    socket.pipe(port, { end: false });
    const bytes = bytesOf(port, this.#markAfter(answer, signal));
    // a reader that is gone must not keep the script from ending
    await pipeline(bytes, socket).catch(() => undefined);
    socket.unpipe(port);
    port.resume();
    return answer;
  }

  /** Unmounts the guest's filesystems and powers off; rejects if data could not be written. */
  async stop(signal: AbortSignal): Promise<void> {
    // a read-only builder has no data to lose
    if (!(await this.#link.isIdle(this.#readOnly ? 0 : patience('builder-idle')))) return this.kill();
    const { code, stderr } = await limited(
      signal,
      patience('builder-stop'),
      () => notUnmounted(`it was not unmounted within ${patience('builder-stop') / 1000} s`),
      async (until) => {
        const answer = await this.#link.request(['off'], until);
        await unlessAborted(this.#child.exited, until);
        return answer;
      },
    );
    // a read-only builder has no data to lose
    if (code !== 0 && !this.#readOnly) throw new TransientError(notUnmounted(stderr.trim()));
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }

  /**
   * Requests an end marker on the port of a script's output, which may arrive later than the answer on the control
   * port.
   */
  async #markAfter(answer: Promise<ScriptResult>, signal: AbortSignal): Promise<Mark> {
    await answer;
    const mark = randomBytes(16).toString('hex');
    return { bytes: Buffer.from(mark), requested: this.#link.request(['mark', mark], signal) };
  }

  #nextPort(): [string, Duplex] {
    const index = this.#used++;
    const port = this.#ports[index];
    if (port === undefined) throw new Error('the builder was booted for fewer copies');
    return [`copy${index}`, port];
  }
}

function silent(): Problem {
  return {
    reason: 'machine',
    message: `the builder VM did not come up within ${patience('builder-boot') / 1000} s`,
    hint: 'copy into the running guest instead with --direct-copy, or choose another kernel with --builder-kernel',
  };
}

function notUnmounted(why: string): Problem {
  const [first = 'no reason given', ...details] = why.split('\n').filter(Boolean);
  return {
    reason: 'guest',
    message: `the disk could not be unmounted: ${first}`,
    hint: 'copied files may be incomplete: copy them again',
    ...(details.length > 0 ? { details } : {}),
  };
}

function notMounted(stderr: string): TransientError {
  const [first = 'unknown', ...details] = stderr.trim().split('\n');
  return new TransientError({
    reason: 'guest',
    message: `the disk of the VM cannot be mounted: ${first}`,
    hint: 'copy into the running guest instead with --direct-copy',
    ...(details.length > 0 ? { details } : {}),
  });
}

/** Rejects when the builder's QEMU ends, with its stderr and the end of its serial console. */
async function endOf(child: Child, serialLog: string): Promise<never> {
  const stderr = tailOf(child.stderr);
  const { code, signal } = await child.exited;
  const { lines } = await serialTail(serialLog);
  throw new TransientError({
    reason: 'machine',
    message: `the builder VM ended ${signal === undefined ? `with exit code ${code ?? 'unknown'}` : `by ${signal}`}`,
    details: [...stderr.lines, ...lines],
  });
}
