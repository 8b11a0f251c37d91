import { createWriteStream } from 'node:fs';
import { capLog } from '../host/log-cap.ts';
import { placeOf } from '../host/log-place.ts';
import type { SendEvent } from './server.ts';

/** Output of a supervisor: to a log of limited size, and to clients while they wait. */
export class SupervisorOutput {
  readonly #log;
  readonly #endCap;
  readonly #clients = new Set<SendEvent>();

  constructor(logPath: string) {
    this.#log = createWriteStream(logPath, { flags: 'a', mode: 0o600 });
    this.#log.on('error', () => undefined);
    this.#endCap = capLog(placeOf(logPath));
  }

  print(line: string): void {
    this.#log.write(`${line}\n`);
    for (const send of this.#clients) send({ line });
  }

  write(bytes: Buffer): void {
    this.#log.write(bytes);
    for (const send of this.#clients) send({ output: bytes.toString('base64') });
  }

  /** Sends the output to a client during some work. */
  async to<T>(client: SendEvent, work: () => Promise<T>): Promise<T> {
    this.#clients.add(client);
    try {
      return await work();
    } finally {
      this.#clients.delete(client);
    }
  }

  async close(): Promise<void> {
    await this.#endCap();
    await new Promise<void>((resolve) => this.#log.end(() => resolve()));
  }
}
