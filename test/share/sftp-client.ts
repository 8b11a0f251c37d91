import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { SftpGate } from '../../src/share/sftp-gate.ts';
import { Fields, PacketStream, SFTP, field, packet } from '../../src/share/sftp-packets.ts';
import { findSftpServer } from '../../src/share/sftp-server.ts';

/** A server's response: the type of its packet, and for a status its code. */
export interface Answer {
  readonly type: number;
  readonly code: number | undefined;
  readonly packet: Buffer;
}

/** A guest that says what it likes to the host's own SFTP server, through a gate: `await using guest = …`. */
export class RawGuest implements AsyncDisposable {
  readonly #server: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly gate: SftpGate;
  #id = 0;

  private constructor(server: ChildProcessWithoutNullStreams, gate: SftpGate) {
    this.#server = server;
    this.gate = gate;
    const answers = new PacketStream(() => true);
    gate.requests.on('error', () => server.kill());
    gate.requests.pipe(server.stdin);
    server.stdout.pipe(gate.answers).on('data', (chunk: Buffer) => {
      for (const piece of answers.feed(chunk)) if ('packet' in piece) this.#take(piece.packet);
    });
  }

  static async in(
    folder: string,
    how: { readonly?: boolean; unchanged?: readonly string[] } = {},
  ): Promise<RawGuest> {
    const server = spawn(await findSftpServer('sftp-server'), ['-e']);
    const guest = new RawGuest(server, new SftpGate(folder, how.readonly ?? false, how.unchanged));
    guest.write(Buffer.from([0, 0, 0, 5, SFTP.init, 0, 0, 0, 3]));
    await new Promise<void>((resolve) => guest.#waiting.set(3, () => resolve()));
    guest.#id = 100;
    return guest;
  }

  /** Sends bytes as they are. */
  write(bytes: Buffer): void {
    this.gate.requests.write(bytes);
  }

  /** Sends a request of some type with its fields, and returns the answer. */
  async ask(type: number, ...fields: readonly (number | string | Buffer)[]): Promise<Answer> {
    const id = this.#id++;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.write(packet(type, id, ...fields.map((one) => (typeof one === 'number' ? one : field(one)))));
    return answered;
  }

  /** Ends when the server has. */
  async ended(): Promise<void> {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    await new Promise((resolve) => this.#server.once('exit', resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.kill('SIGKILL');
    await this.ended();
    this.gate.close();
  }

  #take(whole: Buffer): void {
    const type = whole.readUInt8(4);
    const id = whole.readUInt32BE(5);
    const code = type === SFTP.status ? new Fields(whole).number() : undefined;
    this.#waiting.get(id)?.({ type, code, packet: whole });
    this.#waiting.delete(id);
  }
}
