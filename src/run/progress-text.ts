import { duration } from '../host/duration.ts';
import type { Progress } from '../plan/executor.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Width of the bar, in characters. */
const BAR = 20;

/** Window for the rate, in milliseconds: long enough to be steady, short enough to show a stall. */
const WINDOW = 5000;

/** Formats an amount of bytes in decimal units with three digits. */
export function amount(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power] ?? ''}`;
}

/** Tracks the progress of one step and formats it: share, rate, amount, time left. */
export class ProgressText {
  #samples: { time: number; done: number }[] = [];
  #phase: string | undefined;
  #last: Progress | undefined;

  /** Records progress; `now` in milliseconds. */
  take(progress: Progress, now: number): void {
    if (progress.activity !== this.#phase) this.#samples = [];
    this.#phase = progress.activity;
    this.#last = progress;
    this.#samples.push({ time: now, done: progress.done });
    this.#samples = this.#samples.filter((_sample, index, all) => {
      const next = all[index + 1];
      return next === undefined || now - next.time < WINDOW;
    });
  }

  /** The formatted progress; empty before the first report. */
  text({ bar }: { bar: boolean }): string {
    const progress = this.#last;
    if (progress === undefined) return '';
    const { done, total, activity: phase } = progress;
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
