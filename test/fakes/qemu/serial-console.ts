import { appendFileSync, writeFileSync } from 'node:fs';
import type { CommandLine } from './command-line.ts';

const CTRL_A = 0x01;

/** The guest's serial console: what it prints goes to the log and, where it is there, to the terminal. */
export class SerialConsole {
  readonly #log: string | undefined;
  readonly #onTerminal: boolean;

  constructor({ serialLog, onTerminal }: CommandLine) {
    this.#log = serialLog;
    this.#onTerminal = onTerminal;
    if (serialLog !== undefined) writeFileSync(serialLog, '');
  }

  print(...lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\r\n`).join('');
    if (this.#log !== undefined) appendFileSync(this.#log, text);
    if (this.#onTerminal) process.stdout.write(text);
  }

  /** Echoes input like a login prompt; QEMU's `^A x` calls `quit`. */
  listen(quit: () => void): void {
    if (!this.#onTerminal) return;
    let escaped = false;
    process.stdin.on('data', (typed: Buffer) => {
      for (const byte of typed) {
        if (escaped && byte === 'x'.charCodeAt(0)) quit();
        escaped = byte === CTRL_A;
      }
      process.stdout.write(typed);
    });
  }
}
