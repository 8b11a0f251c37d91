import type { Duplex } from 'node:stream';
import * as z from 'zod';
import { beforeLate } from '../host/deadline.ts';
import { eachLine } from '../host/lines.ts';
import { trace } from '../host/trace.ts';
import { TransientError } from '../problem.ts';

/** Messages of the QEMU Machine Protocol (QEMU, docs/interop/qmp-spec), with the fields that are used. */
const message = z.union([
  z.object({ QMP: z.unknown() }).transform(() => ({ kind: 'greeting' as const })),
  z
    .object({ return: z.unknown(), id: z.number().optional() })
    .transform(({ return: value, id }) => ({ kind: 'return' as const, id, value })),
  z
    .object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.number().optional() })
    .transform(({ error, id }) => ({ kind: 'error' as const, id, text: error.desc })),
  z
    .object({ event: z.string(), data: z.record(z.string(), z.unknown()).optional() })
    .transform(({ event, data }) => ({ kind: 'event' as const, event, data: data ?? {} })),
]);

type Message = z.infer<typeof message>;

/** A command waiting for its response. */
interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** An asynchronous event of QEMU. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU's control connection after capability negotiation. */
export interface Qmp {
  /**
   * Sends a command and returns its response; rejects if QEMU reports an error, closes the connection, or does not
   * respond in time.
   */
  execute: (command: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>;
  /** Runs a command of the human monitor, for functions without a QMP command; returns its output. */
  human: (line: string) => Promise<string>;
}

/** Maximum length of a message, in bytes. */
const LONGEST = 16 * 1024 * 1024;

/**
 * Opens a QMP session on a connected socket. `timeout`, in seconds, bounds the wait for QEMU's greeting and for each
 * response.
 */
export async function openQmp(
  socket: Duplex,
  timeout: number,
  onEvent: (event: QmpEvent) => void = () => undefined,
): Promise<Qmp> {
  const connection = new Connection(socket, onEvent);
  const inTime = async <T>(answer: Promise<T>): Promise<T> =>
    beforeLate(answer, timeout * 1000, () => new NoQmpAnswer(timeout));
  const execute: Qmp['execute'] = async (command, args) => inTime(connection.execute(command, args));
  await inTime(connection.greeted);
  await execute('qmp_capabilities');
  return {
    execute,
    human: async (line) => String(await execute('human-monitor-command', { 'command-line': line })),
  };
}

class Connection {
  /** Resolves with QEMU's greeting; rejects if the connection is lost before. */
  readonly greeted: Promise<void>;
  readonly #socket: Duplex;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #pending = new Map<number, Pending>();
  #greet: Pending = { resolve: () => undefined, reject: () => undefined };
  #lost: TransientError | undefined;
  #next = 0;

  constructor(socket: Duplex, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = { resolve: () => resolve(), reject };
    });
    this.greeted.catch(() => undefined);
    const take = (line: string): void => {
      trace('debug', () => `qmp < ${line}`);
      this.#take(read(line));
    };
    eachLine(socket, LONGEST, take, () => {
      this.#lose(endlessMessage());
      socket.destroy();
    });
    for (const news of ['error', 'end', 'close']) socket.on(news, () => this.#lose(closed()));
  }

  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = ++this.#next;
    const text = JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}), id });
    trace('debug', () => `qmp > ${text}`);
    const answer = new Promise((resolve, reject: (error: Error) => void) => {
      this.#pending.set(id, { resolve, reject });
    });
    this.#socket.write(`${text}\n`);
    return answer;
  }

  #take(incoming: Message | undefined): void {
    if (incoming?.kind === 'greeting') this.#greet.resolve(undefined);
    if (incoming?.kind === 'event') this.#onEvent(incoming);
    if (incoming?.kind !== 'return' && incoming?.kind !== 'error') return;
    const command = this.#pending.get(incoming.id ?? 0);
    this.#pending.delete(incoming.id ?? 0);
    if (incoming.kind === 'return') command?.resolve(incoming.value);
    else command?.reject(refused(incoming.text));
  }

  #lose(why: TransientError): void {
    this.#lost ??= why;
    for (const waiting of [this.#greet, ...this.#pending.values()]) waiting.reject(this.#lost);
    this.#pending.clear();
  }
}

function read(line: string): Message | undefined {
  try {
    return message.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

const LOOK = 'use -vv to see the commands and responses';

function refused(text: string): TransientError {
  return new TransientError({ reason: 'machine', message: `QEMU rejected a command: ${text}`, hint: LOOK });
}

function closed(): TransientError {
  return new TransientError({
    reason: 'machine',
    message: 'QEMU closed its control connection',
    hint: LOOK,
  });
}

function endlessMessage(): TransientError {
  return new TransientError({
    reason: 'machine',
    message: `QEMU sent more than ${LONGEST / 1024 ** 2} MiB in one line on its control connection`,
    hint: 'check that --qemu-bin-name is a QEMU program',
  });
}

/** QEMU does not respond to a command in time. */
export class NoQmpAnswer extends TransientError {
  constructor(seconds: number) {
    super({
      reason: 'machine',
      message: `QEMU did not respond on its control connection within ${seconds} s`,
      hint: 'raise the limit with --qmp-timeout',
    });
  }
}
