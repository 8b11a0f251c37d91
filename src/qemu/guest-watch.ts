import type { GuestFate, Machine } from '../plan/executor.ts';
import type { QmpEvent } from './qmp.ts';

/** What one guest does, as QEMU and its serial console tell of it. */
export class GuestWatch {
  readonly #listeners = new Set<(fate: GuestFate) => void>();
  #hasPanicked = false;
  #isGivenUp = false;

  /** Calls back with each further fate, and at once where the guest has panicked already. */
  onFate(listener: (fate: GuestFate) => void): () => void {
    this.#listeners.add(listener);
    if (this.#hasPanicked) listener('panicked');
    return () => this.#listeners.delete(listener);
  }

  /** The fate that an event of QEMU tells of, if any (QEMU, qapi/run-state: RESET, SHUTDOWN, GUEST_PANICKED). */
  takeEvent({ event, data }: QmpEvent): void {
    const isOwn = data['guest'] === true;
    if (event === 'GUEST_PANICKED') this.tell('panicked');
    if (event === 'RESET' && isOwn) this.tell('rebooted');
    if (event === 'SHUTDOWN' && isOwn) this.tell(FATE_OF_SHUTDOWN[String(data['reason'])] ?? 'powered off');
  }

  tell(fate: GuestFate): void {
    // a kernel may reboot after its panic, which is what counts
    if (this.#hasPanicked) return;
    this.#hasPanicked = fate === 'panicked';
    for (const listener of [...this.#listeners]) listener(fate);
  }

  giveUp(): void {
    this.#isGivenUp = true;
  }

  /** What others see of it by the machine. */
  get view(): Pick<Machine, 'onFate' | 'giveUp' | 'isGivenUp'> {
    return {
      onFate: (listener) => this.onFate(listener),
      giveUp: () => this.giveUp(),
      isGivenUp: () => this.isGivenUp,
    };
  }

  get hasPanicked(): boolean {
    return this.#hasPanicked;
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp || this.#hasPanicked;
  }
}

/** QEMU ends with what would have been a reset under -no-reboot, and after a panic where it is told to. */
const FATE_OF_SHUTDOWN: Readonly<Record<string, GuestFate>> = {
  'guest-reset': 'rebooted',
  'guest-panic': 'panicked',
};
