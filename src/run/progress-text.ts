import { duration } from '../host/duration.ts';
import type { Progress } from '../plan/executor.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Width of the bar, in characters. */
const BAR = 20;

/** How long a rate looks back, in milliseconds: long enough to be calm, short enough to tell of a stall. */
const WINDOW = 5000;

/** An amount of bytes in decimal units, three digits long. */
export function amount(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power] ?? ''}`;
}

/** Follows the progress of one step and says it in words: share, rate, amount, time left. */
export class ProgressText {
  #samples: { time: number; done: number }[] = [];
  #phase: string | undefined;
  #last: Progress | undefined;

  /** Takes a report; `now` in milliseconds. */
  take(progress: Progress, now: number): void {
    if (progress.phase !== this.#phase) this.#samples = [];
    this.#phase = progress.phase;
    this.#last = progress;
    this.#samples.push({ time: now, done: progress.done });
    this.#samples = this.#samples.filter((_sample, index, all) => {
      const next = all[index + 1];
      return next === undefined || now - next.time < WINDOW;
    });
  }

  /** The words, or nothing while there was no report. */
  text({ bar }: { bar: boolean }): string {
    const progress = this.#last;
    if (progress === undefined) return '';
    const { done, total, phase } = progress;
    const rate = this.#rate();
    const left = total !== undefined && rate > 0 ? (total - done) / rate : undefined;
    const share = total ? Math.min(1, done / total) : undefined;
    const parts = [
      phase ?? '',
      share === undefined ? '' : `${String(Math.floor(share * 100)).padStart(3)}%`,
      bar && share !== undefined ? drawn(share) : '',
      rate > 0 ? `${amount(rate * 1000)}/s` : '',
      total === undefined ? amount(done) : `${amount(done)} of ${amount(total)}`,
      left === undefined || left < 1000 ? '' : `${duration(left)} left`,
    ];
    return parts.filter(Boolean).join('  ');
  }

  /** Bytes per millisecond over the last seconds. */
  #rate(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.time - first.time < 200) return 0;
    return (last.done - first.done) / (last.time - first.time);
  }
}

function drawn(share: number): string {
  const full = Math.round(share * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`;
}
