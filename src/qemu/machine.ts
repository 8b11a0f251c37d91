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
import { NoAnswer, openQmp } from './qmp.ts';
import { isNewestAnswered, readForwards } from './ports.ts';
import { serialTail } from './serial.ts';

/** How long QEMU may take to end after SIGTERM before it is killed, in milliseconds. */
const TERMINATE_DELAY = 3000;

/** How QEMU is started. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** The same for a QEMU that was built without what not every one has. */
  readonly plainArgs: readonly string[];
  /** QEMU reads and writes our terminal. */
  readonly onTerminal: boolean;
  /** Where `-snapshot` writes. */
  readonly temporary: string;
  /** What is told when there is no room for what the guest writes. */
  readonly whenFull: Problem;
  /** What takes the other end of the socket of each network card, in their order. */
  readonly cards: readonly ((channel: Duplex) => void)[];
  /** Seconds to wait for the control connection, and for each answer on it. */
  readonly qmpTimeout: number;
  /** Hears of what the guest does. */
  readonly watch: GuestWatch;
}

/** How the process of QEMU came to its end, with its own last words on stderr. */
export interface QemuExit extends Exit {
  readonly message: string;
  /** They were on the terminal already. */
  readonly isShown: boolean;
  /** Why we ended it, where the machine could not go on. */
  readonly fault?: Problem;
}

/** A QEMU that runs, or has run, under our hands. */
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

  /** What slirp made of the forwards that were wanted, in their order. */
  async forwards(wanted: readonly ForwardSpec[]): Promise<(ForwardSpec | undefined)[]> {
    return readForwards(await this.#qmp.human('info usernet'), wanted);
  }

  /**
   * Asks the guest to power off and waits, then terminates QEMU. Returns how that came out: a QEMU that does not even
   * answer is not waited for. An aborted signal ends the wait.
   */
  async powerDown(seconds: number, signal: AbortSignal): Promise<'ended' | 'too-slow' | 'no-answer'> {
    if (this.#over) return 'ended';
    const unanswered = new AbortController();
    using waiting = linked(signal, unanswered.signal);
    // the guest's end is the answer that counts
    void this.#qmp.execute('system_powerdown').catch((error: unknown) => {
      if (error instanceof NoAnswer) unanswered.abort();
    });
    const inTime = await this.#endsWithin(seconds * 1000, waiting.signal);
    if (inTime) return 'ended';
    if (waiting.signal.aborted) await this.quit();
    else await this.terminate();
    if (signal.aborted) return 'ended';
    return unanswered.signal.aborted ? 'no-answer' : 'too-slow';
  }

  /** Lets nobody in any more by the port that leads to ssh; connections that are there go on. */
  async removeForward(port: number): Promise<void> {
    await this.#qmp.human(`hostfwd_remove ${SSH_NETWORK} tcp:127.0.0.1:${port}`);
  }

  /** What this QEMU knows of the network to its guest, whose ssh port is reached by `port`. */
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

  /** Ends QEMU without asking the guest: nothing that it wrote is of use to anyone. */
  async quit(): Promise<void> {
    if (this.#over) return;
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Lets QEMU close its files, and kills it if it does not. */
  async terminate(): Promise<void> {
    if (this.#over) return;
    trace('info', () => `terminating QEMU (process ${this.pid})`);
    this.#child.kill('SIGTERM');
    if (!(await this.#endsWithin(TERMINATE_DELAY))) await this.quit();
  }

  async #endsWithin(milliseconds: number, signal?: AbortSignal): Promise<boolean> {
    using waiting = linked(...(signal ? [signal] : []));
    const late = delay(milliseconds, false, { signal: waiting.signal }).catch(() => false);
    const ended = await Promise.race([this.exited.then(() => true), late]);
    waiting.abort();
    return ended || this.#over;
  }
}

/** Starts QEMU and connects to it; when it ends before that, its own message is the error. */
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
    // off the terminal in a process group of its own, or ^C would reach it before us
    ownGroup: !onTerminal,
    environment: { TMPDIR: temporary },
  });
  const [control, ...cards] = child.channels;
  // at once: frames that are not read now would be lost, and with them where the next one begins
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
      // QEMU has stopped the guest, which would hang for ever
      if (fault) child.kill('SIGTERM');
    });
    const qmp = await answerOrEnd(opened, exited);
    signal.throwIfAborted();
    if (!('execute' in qmp)) {
      output.ended();
      return qmp;
    }
    output.runs();
    // what the kernel prints after its panic is of use, and so is a reboot that it makes; QEMU before 6.0 cannot be told
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

/** What keeps a machine from going on: QEMU stops a guest whose disk cannot be written (QEMU, qapi/block-core). */
function faultOf({ event, data }: QmpEvent, whenFull: Problem): Problem | undefined {
  if (event !== 'BLOCK_IO_ERROR' || data['action'] !== 'stop') return undefined;
  if (data['nospace'] === true) return whenFull;
  const reason = typeof data['reason'] === 'string' ? data['reason'] : 'unknown';
  return {
    reason: 'machine',
    message: `the VM was ended: a disk of it failed: ${reason}`,
    hint: 'look at the disk of the host on which its images and disks are: dmesg tells of faults',
  };
}

function channelOf(channel: Duplex | undefined): Duplex {
  if (channel === undefined) throw new Error('QEMU was started without a socket that it is to have');
  return channel;
}

/** An answer of QEMU, or its end: a connection that was lost is only the messenger of that end. */
export async function answerOrEnd<T, E>(answer: Promise<T>, ended: Promise<E>): Promise<T | E> {
  const lost = answer.catch(async (error: unknown) => {
    const end = await Promise.race([ended, delay(500, undefined, { ref: false })]);
    if (end === undefined) throw error;
    return end;
  });
  return Promise.race([lost, ended]);
}

async function watchExit(child: Child, onTerminal: boolean): Promise<QemuExit> {
  const words = tailOf(child.stderr);
  if (onTerminal) child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  const exit = await child.exited;
  return { ...exit, message: words.text.trim(), isShown: onTerminal };
}

/**
 * What QEMU prints when it ends at once is an answer to a person (`-version`, `-device help`) and goes to stdout;
 * what it prints while a machine runs goes to stderr, since stdout belongs to the guest's command.
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

const KILLED = 'somebody killed it; the kernel does for want of memory, and dmesg tells of that';

/** What QEMU's end means: one with 0 did what it was asked (`-version`, a guest that powered off). */
export async function endOf(
  program: string,
  exit: QemuExit,
  serialLog: string | LogPlace,
): Promise<MachineEnd> {
  if (exit.fault) return { problem: exit.fault };
  if (exit.code === 0) return { problem: undefined };
  const how = exit.signal === undefined ? `with exit code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
  const said = exit.isShown ? [] : exit.message.split('\n').filter(Boolean);
  const details = [...said, ...serialExcerpt(await serialTail(serialLog))];
  const hint = exit.signal === 'SIGKILL' ? { hint: KILLED } : {};
  return { problem: { reason: 'machine', message: `${program} ended ${how}`, details, ...hint } };
}
