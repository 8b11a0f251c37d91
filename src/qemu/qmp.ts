import type { Duplex } from 'node:stream';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { trace } from '../host/trace.ts';
import { TransientError } from '../problem.ts';

/** The messages of QEMU's machine protocol (QEMU, docs/interop/qmp-spec), as far as we read them. */
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

/** A command that waits for its answer. */
interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** Something that QEMU tells without being asked. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU's control connection, past the greeting and ready for commands. */
export interface Qmp {
  /** Sends a command and returns its answer; rejects when QEMU refuses it or closes the connection. */
  execute: (command: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>;
  /** A command of the human monitor, for what has no other form; returns its text. */
  human: (line: string) => Promise<string>;
}

/** Speaks QMP on a connected socket. `timeout` in seconds bounds the wait for QEMU's greeting. */
export async function openQmp(
  socket: Duplex,
  timeout: number,
  onEvent: (event: QmpEvent) => void = () => undefined,
): Promise<Qmp> {
  const connection = new Connection(socket, onEvent);
  await withinSeconds(timeout, connection.greeted);
  await withinSeconds(timeout, connection.execute('qmp_capabilities'));
  return {
    execute: (command, args) => connection.execute(command, args),
    human: async (line) =>
      String(await connection.execute('human-monitor-command', { 'command-line': line })),
  };
}

class Connection {
  /** Rejects when the connection is lost before QEMU's greeting. */
  readonly greeted: Promise<void>;
  readonly #socket: Duplex;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #pending = new Map<number, Pending>();
  #greet: Pending = { resolve: () => undefined, reject: () => undefined };
  #lost = false;
  #next = 0;

  constructor(socket: Duplex, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = { resolve: () => resolve(), reject };
    });
    this.greeted.catch(() => undefined);
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => {
      trace('debug', () => `qmp < ${line}`);
      this.#take(read(line));
    });
    for (const source of [lines, socket]) {
      source.on('error', () => this.#lose());
      source.on('close', () => this.#lose());
    }
  }

  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#lost) return Promise.reject(lost());
    const id = ++this.#next;
    const text = JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}), id });
    trace('debug', () => `qmp > ${text}`);
    const answer = new Promise((resolve, reject: (error: Error) => void) => {
      this.#pending.set(id, { resolve, reject });
    });
    this.#socket.write(`${text}\n`);
    return answer;
  }

  #take(said: Message | undefined): void {
    if (said?.kind === 'greeting') this.#greet.resolve(undefined);
    if (said?.kind === 'event') this.#onEvent(said);
    if (said?.kind !== 'return' && said?.kind !== 'error') return;
    const command = this.#pending.get(said.id ?? 0);
    this.#pending.delete(said.id ?? 0);
    if (said.kind === 'return') command?.resolve(said.value);
    else command?.reject(refused(said.text));
  }

  #lose(): void {
    this.#lost = true;
    for (const waiting of [this.#greet, ...this.#pending.values()]) waiting.reject(lost());
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

const LOOK = '-vv shows what it was asked and what it answered';

function refused(text: string): TransientError {
  return new TransientError({ reason: 'machine', message: `QEMU refused a command: ${text}`, hint: LOOK });
}

function lost(): TransientError {
  return new TransientError({
    reason: 'machine',
    message: 'QEMU closed its control connection',
    hint: LOOK,
  });
}

async function withinSeconds<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(noQmp(seconds)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function noQmp(seconds: number): TransientError {
  return new TransientError({
    reason: 'machine',
    message: `QEMU did not answer on its control connection within ${seconds} s`,
    hint: 'give it more time with --qmp-timeout',
  });
}
