import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFailed } from 'vitest';

/** How long a screen may take to show what is expected, in milliseconds: a guest boots in it. */
const PATIENCE = 60_000;
const INTERVAL = 100;

/** A real terminal of 100 by 30 characters, in tmux, with a shell in it: `await using terminal = new Terminal(…)`. */
export class Terminal implements AsyncDisposable {
  readonly #server: string;

  constructor(name: string, environment: NodeJS.ProcessEnv, cwd: string) {
    this.#server = `transient-test-${process.pid}-${name}`;
    const assignments = Object.entries(environment).map(([key, value]) => `${key}=${value ?? ''}`);
    const shell = ['env', '-i', ...assignments, 'TERM=screen', 'PS1=host$ ', 'sh'];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '30', '-c', cwd, ...shell);
    onTestFailed(() => console.error(this.#screenOrGone()));
  }

  /** Types a line and presses Enter. */
  line(text: string): void {
    this.#tmux('send-keys', '-l', text);
    this.keys('Enter');
  }

  /** Presses keys by tmux's names for them. */
  keys(...names: readonly string[]): void {
    this.#tmux('send-keys', ...names);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** Content of the screen, including the scrollback. */
  get screen(): string {
    return this.#tmux('capture-pane', '-p', '-S', '-1000');
  }

  async waitFor(pattern: RegExp): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!pattern.test(this.screen)) {
      if (Date.now() > deadline) throw new Error(`the screen does not show ${pattern}:\n${this.screen}`);
      await delay(INTERVAL);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tmux('kill-server');
    await delay(INTERVAL);
  }

  #screenOrGone(): string {
    try {
      return this.screen;
    } catch {
      return 'the terminal is gone';
    }
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-L', this.#server, ...args], { encoding: 'utf8' });
  }
}
