import type { GuestFate, Machine } from '../plan/executor.ts';
import type { QmpEvent } from './qmp.ts';

/** Events of one guest, from QEMU and its serial console. */
export class GuestWatch {
  readonly #listeners = new Set<(fate: GuestFate) => void>();
  #hasPanicked = false;
  #isGivenUp = false;

  /** Registers a listener for each further event; called at once if the guest has already panicked. */
  onFate(listener: (fate: GuestFate) => void): () => void {
    this.#listeners.add(listener);
    if (this.#hasPanicked) listener('panicked');
    return () => this.#listeners.delete(listener);
  }

  /** Maps a QEMU event to a guest event, if it is one (QEMU, qapi/run-state: RESET, SHUTDOWN, GUEST_PANICKED). */
  takeEvent({ event, data }: QmpEvent): void {
    const isOwn = data['guest'] === true;
    if (event === 'GUEST_PANICKED') this.notify('panicked');
    if (event === 'RESET' && isOwn) this.notify('rebooted');
    if (event === 'SHUTDOWN' && isOwn) this.notify(FATE_OF_SHUTDOWN[String(data['reason'])] ?? 'powered off');
  }

  notify(fate: GuestFate): void {
    // a reboot after a panic is ignored: the panic counts
    if (this.#hasPanicked) return;
    this.#hasPanicked = fate === 'panicked';
    for (const listener of [...this.#listeners]) listener(fate);
  }

  giveUp(): void {
    this.#isGivenUp = true;
  }

  /** The part that a machine exposes. */
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

/** Shutdown causes: QEMU exits on a reset with -no-reboot, and after a panic if so configured. */
const FATE_OF_SHUTDOWN: Readonly<Record<string, GuestFate>> = {
  'guest-reset': 'rebooted',
  'guest-panic': 'panicked',
};
