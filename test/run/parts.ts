import { setImmediate } from 'node:timers/promises';
import { TransientError } from '../../src/problem.ts';
import type { Part } from './fixture.ts';

/** Lets other steps go on a few times. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}

/** Takes a few turns, ends early when it is told to, then does what `last` does. */
export function takes(count: number, last: Part = () => Promise.resolve(undefined)): Part {
  return async (context, stage) => {
    for (let turn = 0; turn < count; turn++) {
      context.signal.throwIfAborted();
      await setImmediate();
    }
    return last(context, stage);
  };
}

export function fails(message: string): Part {
  return () => Promise.reject(new TransientError({ reason: 'guest', message }));
}

export function exits(exitCode: number): Part {
  return () => Promise.resolve({ exitCode });
}

/** The machine ended by itself and in order. */
export const ends: Part = () => Promise.resolve({ ended: true });

/** Goes on until it is told to end. */
export const lasts: Part = ({ signal }) =>
  new Promise((_resolve, reject) => {
    const end = (): void => reject(new Error('interrupted', { cause: signal.reason }));
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
  });

/** A signal arrives while the step runs, which does not end by it. */
export function interrupts(times = 1, code?: number): Part {
  return (_context, stage) => {
    for (let time = 0; time < times; time++) stage.interrupt(code);
    return Promise.resolve(undefined);
  };
}

/** Both, the one after the other. */
export function inTurn(first: Part, second: Part): Part {
  return async (context, stage) => {
    await first(context, stage);
    return second(context, stage);
  };
}
