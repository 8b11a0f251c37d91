import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { duration } from '../../src/host/duration.ts';
import { amount, ProgressText } from '../../src/run/progress-text.ts';

describe('amounts', () => {
  test.for([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1500, '1.5 kB'],
    [123_456, '123 kB'],
    [1_000_000, '1.0 MB'],
    [12_345_678, '12.3 MB'],
    [2_500_000_000, '2.5 GB'],
    [7e15, '7000 TB'],
  ] as const)('%i bytes are %s', ([bytes, text]) => {
    expect(amount(bytes)).toBe(text);
  });

  test('never more than four digits before the unit changes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), (bytes) => {
        expect(amount(bytes)).toMatch(/^(\d{1,3}(\.\d)?|1000(\.0)?) (B|kB|MB|GB|TB)$/);
      }),
    );
  });
});

describe('durations', () => {
  test.for([
    [0, '0.0 s'],
    [1234, '1.2 s'],
    [9940, '9.9 s'],
    [9990, '10 s'],
    [59_400, '59 s'],
    [60_000, '1 min 0 s'],
    [61_400, '1 min 1 s'],
    [3_600_000, '1 h 0 min'],
    [5_400_000, '1 h 30 min'],
  ] as const)('%i ms are %s', ([milliseconds, text]) => {
    expect(duration(milliseconds)).toBe(text);
  });

  test('no unit is ever full', () => {
    const full = Array.from({ length: 75_000 }, (_none, tenths) => tenths * 100).filter((milliseconds) =>
      /\b60 (s|min)/.test(duration(milliseconds)),
    );
    expect(full.slice(0, 3).map(duration)).toEqual([]);
  });
});

describe('the progress of a step', () => {
  test('nothing while there was no report', () => {
    expect(new ProgressText().text({ bar: true })).toBe('');
  });

  test('the share, the amounts and the phase from the first report on', () => {
    const progress = new ProgressText();
    progress.take({ activity: 'converting', done: 250_000, total: 1_000_000 }, 0);
    expect(progress.text({ bar: false })).toBe('converting   25%  250 kB of 1.0 MB');
  });

  test('rate and time left once there is something to compare', () => {
    const progress = new ProgressText();
    progress.take({ done: 0, total: 10_000_000 }, 0);
    progress.take({ done: 1_000_000, total: 10_000_000 }, 1000);
    expect(progress.text({ bar: false })).toBe(' 10%  1.0 MB/s  1.0 MB of 10.0 MB  9.0 s left');
  });

  test('the rate is that of the last seconds', () => {
    const progress = new ProgressText();
    progress.take({ done: 0 }, 0);
    for (let second = 10; second <= 20; second++) progress.take({ done: second * 1000 }, second * 1000);
    expect(progress.text({ bar: false })).toBe('1.0 kB/s  20.0 kB');
  });

  test('a stall brings the rate down', () => {
    const progress = new ProgressText();
    progress.take({ done: 0 }, 0);
    progress.take({ done: 5000 }, 1000);
    for (let second = 2; second <= 12; second++) progress.take({ done: 5000 }, second * 1000);
    expect(progress.text({ bar: false })).toBe('5.0 kB');
  });

  test('a new phase begins anew', () => {
    const progress = new ProgressText();
    progress.take({ activity: 'loading', done: 0, total: 100 }, 0);
    progress.take({ activity: 'loading', done: 100, total: 100 }, 1000);
    progress.take({ activity: 'converting', done: 10, total: 100 }, 2000);
    expect(progress.text({ bar: false })).toBe('converting   10%  10 B of 100 B');
  });

  test('the bar is full exactly at the end', () => {
    const progress = new ProgressText();
    progress.take({ done: 1, total: 2 }, 0);
    expect(progress.text({ bar: true })).toContain(`${'█'.repeat(10)}${'░'.repeat(10)}`);
    progress.take({ done: 3, total: 2 }, 0);
    expect(progress.text({ bar: true })).toMatch(/100% {2}█{20}/);
  });

  test('without a total there is no share', () => {
    const progress = new ProgressText();
    progress.take({ done: 42 }, 0);
    expect(progress.text({ bar: true })).toBe('42 B');
  });
});
