import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../host/child.ts';
import { startChild } from '../host/child.ts';
import type { Exit } from '../host/exit.ts';
import type { LogPlace } from '../host/log-place.ts';
import { trace } from '../host/trace.ts';
import { linked } from '../host/deadline.ts';
import { tailOf } from '../host/tail.ts';
import type { ForwardSpec } from '../config/vm-spec.ts';
import type { GuestNetwork, MachineEnd } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import type { Problem } from '../problem.ts';
import type { GuestWatch } from './guest-watch.ts';
import { SSH_CARD, SSH_NETWORK } from './args.ts';
import { isCardUp } from './card.ts';
import type { Qmp, QmpEvent } from './qmp.ts';
import { NoQmpAnswer, openQmp } from './qmp.ts';
import { isNewestAnswered, readForwards } from './ports.ts';
import { serialTail } from './serial.ts';

/** Time between SIGTERM and SIGKILL, in milliseconds. */
const TERMINATE_DELAY = 3000;

/** Launch parameters of QEMU. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** The same without optional features, for a QEMU built without them. */
  readonly plainArgs: readonly string[];
  /** QEMU uses our terminal. */
  readonly onTerminal: boolean;
  /** Directory for the writes of `-snapshot`. */
  readonly temporary: string;
  /** Error when there is no space left for the guest's writes. */
  readonly whenFull: Problem;
  /** Functions that take over our end of each network card's socket, in the order of the cards. */
  readonly cards: readonly ((channel: Duplex) => void)[];
  /** Timeout of the control connection and of each response, in seconds. */
  readonly qmpTimeout: number;
  /** Receives events of the guest. */
  readonly watch: GuestWatch;
}

/** Exit of the QEMU process, with its last lines on stderr. */
export interface QemuExit extends Exit {
  readonly message: string;
  /** The lines were shown on the terminal already. */
  readonly isShown: boolean;
  /** Why the machine was ended here, if it could not continue. */
  readonly fault?: Problem;
}

/** A QEMU process that runs, or has run. */
export class Qemu {
  readonly pid: number;
  readonly exited: Promise<QemuExit>;
  readonly #child: Child;
  readonly #qmp: Qmp;
  #over = false;

  constructor(child: Child, exited: Promise<QemuExit>, qmp: Qmp) {
    this.pid = child.pid;
    this.exited = exited;
    this.#child = child;
    this.#qmp = qmp;
    void exited.then(() => (this.#over = true));
  }

  /** The forwards that slirp established, in the order requested. */
  async forwards(wanted: readonly ForwardSpec[]): Promise<(ForwardSpec | undefined)[]> {
    return readForwards(await this.#qmp.human('info usernet'), wanted);
  }

  /**
   * Requests an ACPI power-down and waits, then terminates QEMU. Returns the outcome: an unresponsive QEMU is not
   * waited for. An aborted signal ends the wait.
   */
  async powerDown(seconds: number, signal: AbortSignal): Promise<'ended' | 'too-slow' | 'no-answer'> {
    if (this.#over) return 'ended';
    const unanswered = new AbortController();
    using waiting = linked(signal, unanswered.signal);
    // the end of the guest is the result that counts
    void this.#qmp.execute('system_powerdown').catch((error: unknown) => {
      if (error instanceof NoQmpAnswer) unanswered.abort();
    });
    const inTime = await this.#endsWithin(seconds * 1000, waiting.signal);
    if (inTime) return 'ended';
    if (waiting.signal.aborted) await this.quit();
    else await this.terminate();
    if (signal.aborted) return 'ended';
    return unanswered.signal.aborted ? 'no-answer' : 'too-slow';
  }

  /** Removes the forward to the guest's ssh port; existing connections continue. */
  async removeForward(port: number): Promise<void> {
    await this.#qmp.human(`hostfwd_remove ${SSH_NETWORK} tcp:127.0.0.1:${port}`);
  }

  /** State of the guest's network as known to this QEMU; `port` is forwarded to the guest's ssh port. */
  networkBy(port: number | undefined): GuestNetwork {
    return {
      isUp: async () =>
        this.#qmp.execute('query-rx-filter', { name: SSH_CARD }).then(isCardUp, () => 'unknown' as const),
      isAnswered: async () =>
        this.#qmp.human('info usernet').then(
          (usernet) => isNewestAnswered(usernet, port ?? 0),
          () => 'unknown' as const,
        ),
    };
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Quits QEMU without involving the guest: its writes are discarded. */
  async quit(): Promise<void> {
    if (this.#over) return;
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Terminates QEMU so that it can close its files, and kills it if it does not exit. */
  async terminate(): Promise<void> {
    if (this.#over) return;
    trace('info', () => `terminating QEMU (process ${this.pid})`);
    this.#child.kill('SIGTERM');
    if (!(await this.#endsWithin(TERMINATE_DELAY))) await this.quit();
  }

  async #endsWithin(milliseconds: number, signal?: AbortSignal): Promise<boolean> {
    using waiting = linked(...(signal ? [signal] : []));
    const timeout = delay(milliseconds, false, { signal: waiting.signal }).catch(() => false);
    const ended = await Promise.race([this.exited.then(() => true), timeout]);
    waiting.abort();
    return ended || this.#over;
  }
}

/** Starts QEMU and connects to it; if it exits before that, its own message is the error. */
export async function launch(how: Launch, signal: AbortSignal): Promise<Qemu | QemuExit> {
  const started = await launchOnce(how, signal);
  if (started instanceof Qemu || !LACKS_EXTRAS.test(started.message)) return started;
  return launchOnce({ ...how, args: how.plainArgs }, signal);
}

const LACKS_EXTRAS = /'pvpanic' is not a valid device model name|-sandbox: |seccomp/;

async function launchOnce(how: Launch, signal: AbortSignal): Promise<Qemu | QemuExit> {
  const { onTerminal, temporary } = how;
  const child = await startChild(how.program, how.args, {
    onTerminal,
    channels: 1 + how.cards.length,
    // off the terminal, in a process group of its own, or ^C would reach it before us
    newProcessGroup: !onTerminal,
    environment: { TMPDIR: temporary },
  });
  const [control, ...cards] = child.channels;
  // at once: unread frames would be lost, and with them the frame boundaries
  how.cards.forEach((plug, index) => plug(channelOf(cards[index])));
  let fault: Problem | undefined;
  const exited = watchExit(child, onTerminal).then((exit) => (fault ? { ...exit, fault } : exit));
  const output = sortOutput(child);
  const abort = (): void => child.kill('SIGKILL');
  signal.addEventListener('abort', abort);
  try {
    const opened = openQmp(channelOf(control), how.qmpTimeout, (event) => {
      how.watch.takeEvent(event);
      fault ??= faultOf(event, how.whenFull);
      // QEMU has paused the guest, which would hang forever
      if (fault) child.kill('SIGTERM');
    });
    const qmp = await answerOrEnd(opened, exited);
    signal.throwIfAborted();
    if (!('execute' in qmp)) {
      output.ended();
      return qmp;
    }
    output.runs();
    // output after a panic is useful, and so is a reboot by the kernel; QEMU before 6.0 lacks the command
    void qmp.execute('set-action', { panic: 'none' }).catch(() => undefined);
    return new Qemu(child, exited, qmp);
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Fault that keeps a machine from continuing: QEMU pauses a guest whose disk cannot be written (QEMU, qapi/block-core).
 */
function faultOf({ event, data }: QmpEvent, whenFull: Problem): Problem | undefined {
  if (event !== 'BLOCK_IO_ERROR' || data['action'] !== 'stop') return undefined;
  if (data['nospace'] === true) return whenFull;
  const reason = typeof data['reason'] === 'string' ? data['reason'] : 'unknown';
  return {
    reason: 'machine',
    message: `the VM was ended: one of its disks failed: ${reason}`,
    hint: "check the host's storage for its images and disks: dmesg reports I/O errors",
  };
}

function channelOf(channel: Duplex | undefined): Duplex {
  if (channel === undefined) throw new Error('QEMU was started without one of its sockets');
  return channel;
}

/** Resolves with QEMU's response, or with its end: a lost connection is only a symptom of that. */
export async function answerOrEnd<T, E>(answer: Promise<T>, ended: Promise<E>): Promise<T | E> {
  const lost = answer.catch(async (error: unknown) => {
    const end = await Promise.race([ended, delay(500, undefined, { ref: false })]);
    if (end === undefined) throw error;
    return end;
  });
  return Promise.race([lost, ended]);
}

async function watchExit(child: Child, onTerminal: boolean): Promise<QemuExit> {
  const stderr = tailOf(child.stderr);
  if (onTerminal) child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  const exit = await child.exited;
  return { ...exit, message: stderr.text.trim(), isShown: onTerminal };
}

/**
 * Routes QEMU's output: output of a QEMU that exits at once answers the user (`-version`, `-device help`) and goes to
 * stdout; output while a machine runs goes to stderr, since stdout belongs to the guest's command.
 */
function sortOutput({ stdout }: Child): { ended: () => void; runs: () => void } {
  let target: NodeJS.WritableStream | undefined;
  const early: Buffer[] = [];
  stdout?.on('data', (chunk: Buffer) => {
    if (target) target.write(chunk);
    else early.push(chunk);
  });
  const sendTo = (stream: NodeJS.WritableStream): void => {
    target = stream;
    for (const chunk of early.splice(0)) stream.write(chunk);
  };
  return { ended: () => sendTo(process.stdout), runs: () => sendTo(process.stderr) };
}

const KILLED = 'killed by another process; check dmesg for an out-of-memory kill';

/** Interprets QEMU's exit: with 0 it did its job (`-version`, a guest that powered off). */
export async function endOf(
  program: string,
  exit: QemuExit,
  serialLog: string | LogPlace,
): Promise<MachineEnd> {
  if (exit.fault) return { problem: exit.fault };
  if (exit.code === 0) return { problem: undefined };
  const status = exit.signal === undefined ? `with exit code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
  const stderr = exit.isShown ? [] : exit.message.split('\n').filter(Boolean);
  const details = [...stderr, ...serialExcerpt(await serialTail(serialLog))];
  const hint = exit.signal === 'SIGKILL' ? { hint: KILLED } : {};
  return { problem: { reason: 'machine', message: `${program} ended ${status}`, details, ...hint } };
}
