/** Holds something up at one point until a test lets it go on. */
export class Gate {
  #reach = (): void => undefined;
  #open = (): void => undefined;
  /** Settles once something waits at the gate. */
  readonly reached = new Promise<void>((resolve) => (this.#reach = resolve));
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));

  /** Called by what is held up. */
  async pass(): Promise<void> {
    this.#reach();
    await this.#opened;
  }

  open(): void {
    this.#open();
  }
}
