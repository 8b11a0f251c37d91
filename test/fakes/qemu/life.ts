import { appendFileSync } from 'node:fs';
import type { Entry, Faults, Moment } from './faults.ts';

/** Writes down what happens to the machine, and ends it where a fault says so. */
export class Life {
  readonly faults: Faults;
  readonly #name: string;
  readonly #listeners = new Map<Moment, (command: string) => void>();

  constructor(name: string, faults: Faults) {
    this.#name = name;
    this.faults = faults;
  }

  happens(moment: Moment, more: Pick<Entry, 'argv' | 'temporary' | 'signal' | 'command'> = {}): void {
    this.#write({ moment, time: Date.now(), pid: process.pid, name: this.#name, ...more });
    this.#listeners.get(moment)?.(more.command ?? '');
    if (this.faults.dieAfter === moment) {
      process.stderr.write(`qemu-system-x86_64: the fake dies after ${moment}\n`);
      process.exit(1);
    }
  }

  when(moment: Moment, act: (command: string) => void): void {
    this.#listeners.set(moment, act);
  }

  end(): never {
    this.#write({ moment: 'end', time: Date.now(), pid: process.pid, name: this.#name });
    process.exit(0);
  }

  #write(entry: Entry): void {
    if (this.faults.log !== undefined) appendFileSync(this.faults.log, `${JSON.stringify(entry)}\n`);
  }
}
