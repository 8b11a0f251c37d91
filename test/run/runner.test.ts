import { describe, expect, test } from 'vitest';
import { ends, exits, fails, interrupts, lasts, takes, inTurn, turns } from './parts.ts';
import type { Performance } from './fixture.ts';
import { planOf, play, step } from './fixture.ts';

describe('rule 1: when a step starts', () => {
  test('when what it needs is done and what it comes after has settled', async () => {
    const plan = planOf([step('a'), step('b', { needs: ['a'] }), step('c', { after: ['b'] })]);
    const { log } = await play(plan, { a: takes(3), b: takes(2) });
    expect(log).toEqual(['start a', 'end a', 'start b', 'end b', 'start c', 'end c']);
  });

  test('independent steps run at the same time', async () => {
    const plan = planOf([step('a'), step('b')]);
    const { log } = await play(plan, { a: takes(2), b: takes(2) });
    expect(log.slice(0, 2).sort()).toEqual(['start a', 'start b']);
  });

  test('so many that Node would take their listeners for a leak', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listen);
    const ids = Array.from({ length: 20 }, (_none, index) => `s${index}`);
    const acts = Object.fromEntries(ids.map((id) => [id, takes(2)]));
    await play(planOf(ids.map((id) => step(id))), acts);
    // a warning is told of in the next turn
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });

  test('across acts the order is the same', async () => {
    const plan = planOf([step('a'), step('b', { needs: ['a'] }), step('c', { after: ['b'] })], {
      foreground: ['b'],
    });
    const { log } = await play(plan, { a: takes(2) });
    expect(log).toEqual(['start a', 'end a', 'start b', 'end b', 'start c', 'end c']);
  });
});

describe('rule 2: a need that is not done', () => {
  test('skips the step and all that need it, and only the cause is reported', async () => {
    const plan = planOf([step('a'), step('b', { needs: ['a'] }), step('c', { needs: ['b'] })]);
    const result = await play(plan, { a: fails('no disk') });
    expect(kinds(result)).toEqual({ a: 'failed', b: 'skipped', c: 'skipped' });
    expect(result.problems.map(({ message }) => message)).toEqual(['no disk']);
    expect(result.exitCode).toBe(1);
  });

  test('a failure reports which VM it is', async () => {
    const { problems } = await play(planOf([step('a')]), { a: fails('no disk') });
    expect(problems[0]?.where).toEqual({ kind: 'vm', vm: 'vm' });
  });

  test('what only comes after it starts nonetheless, unless the run is over', async () => {
    const plan = planOf([step('a'), step('b', { needs: ['a'] }), step('c', { after: ['b'] })]);
    expect(kinds(await play(plan, { a: ends }))).toEqual({ a: 'ended', b: 'skipped', c: 'done' });
  });

  test('a machine that ended in order is no failure', async () => {
    const plan = planOf([step('boot'), step('run', { needs: ['boot'] }), stop(['run'])]);
    const result = await play(plan, { boot: ends });
    expect(kinds(result)).toEqual({ boot: 'ended', run: 'skipped', stop: 'done' });
    expect(result.problems).toEqual([]);
    expect(result.exitCode).toBe(0);
  });

  test('what an executor throws and is no error of ours is a fault of ours', async () => {
    const { problems } = await play(planOf([step('a')]), {
      a: () => Promise.reject(new TypeError('x is not y')),
    });
    expect(problems[0]).toMatchObject({ reason: 'internal', message: 'internal error: x is not y' });
  });
});

describe('rule 3: a step that undoes another', () => {
  test('runs when that one was done', async () => {
    const plan = planOf([step('boot'), step('run', { needs: ['boot'] }), stop(['run'])]);
    const { log } = await play(plan);
    expect(log.slice(-2)).toEqual(['start stop', 'end stop']);
  });

  test('runs when that one began and failed', async () => {
    const result = await play(planOf([step('boot'), stop()]), { boot: fails('bad option') });
    expect(kinds(result)).toEqual({ boot: 'failed', stop: 'done' });
  });

  test('runs when that one was interrupted', async () => {
    const plan = planOf([step('boot'), step('other'), stop()]);
    const result = await play(plan, { boot: lasts, other: takes(2, interrupts()) });
    expect(kinds(result)).toEqual({ boot: 'interrupted', other: 'done', stop: 'done' });
  });

  test('does not run when that one never began', async () => {
    const plan = planOf([step('image'), step('boot', { needs: ['image'] }), stop()]);
    const result = await play(plan, { image: fails('no such file') });
    expect(kinds(result)).toEqual({ image: 'failed', boot: 'skipped', stop: 'skipped' });
  });

  test('does not hear the signal that ends the run', async () => {
    const plan = planOf([step('boot'), step('run', { needs: ['boot'] }), stop(['run'])]);
    const result = await play(plan, { run: inTurn(interrupts(), lasts), stop: takes(3) });
    expect(kinds(result)).toEqual({ boot: 'done', run: 'interrupted', stop: 'done' });
  });

  test('fails by itself', async () => {
    const result = await play(planOf([step('boot'), stop()]), { stop: fails('cannot remove') });
    expect(result.problems.map(({ message }) => message)).toEqual(['cannot remove']);
    expect(result.exitCode).toBe(1);
  });
});

describe('rule 4: the first failure or signal', () => {
  test('ends what runs, starts nothing more, and gives back what was taken', async () => {
    const plan = planOf([
      step('boot'),
      step('run', { needs: ['boot'] }),
      stop(['run']),
      step('other'),
      step('later', { after: ['other'] }),
    ]);
    const result = await play(plan, { run: lasts, other: takes(3, fails('broken')) });
    expect(kinds(result)).toEqual({
      boot: 'done',
      run: 'interrupted',
      stop: 'done',
      other: 'failed',
      later: 'skipped',
    });
    expect(result.problems.map(({ message }) => message)).toEqual(['broken']);
    expect(result.exitCode).toBe(1);
  });

  test('a signal gives the exit code, whatever else happened', async () => {
    const plan = planOf([step('a'), step('b')]);
    const result = await play(plan, { a: inTurn(interrupts(1, 143), exits(3)), b: lasts });
    expect(result.exitCode).toBe(143);
    expect(result.problems).toEqual([]);
  });

  test('a step that ends well although it was asked to end is done', async () => {
    const result = await play(planOf([step('a')]), { a: interrupts() });
    expect(kinds(result)).toEqual({ a: 'done' });
    expect(result.exitCode).toBe(130);
  });

  test('a second signal ends the steps that give back', async () => {
    const plan = planOf([step('boot'), stop()]);
    const result = await play(plan, { boot: interrupts(), stop: inTurn(interrupts(), lasts) });
    expect(kinds(result)).toEqual({ boot: 'done', stop: 'interrupted' });
    expect(result.exitCode).toBe(130);
  });

  test('after a second signal those that have not begun still do, and hear at once that they must hurry', async () => {
    const plan = planOf([step('boot'), stop()]);
    const result = await play(plan, { boot: inTurn(interrupts(2), lasts), stop: lasts });
    expect(kinds(result)).toEqual({ boot: 'interrupted', stop: 'interrupted' });
  });

  test('a failure is no second signal', async () => {
    const plan = planOf([step('boot'), stop(), step('other')]);
    const result = await play(plan, {
      boot: interrupts(),
      stop: takes(4),
      other: async () => {
        await turns(2);
        throw new Error('too late');
      },
    });
    expect(kinds(result)).toMatchObject({ boot: 'done', stop: 'done' });
  });

  describe('a step that is to be done always', () => {
    const plan = planOf([
      step('boot'),
      step('run', { needs: ['boot'] }),
      step('mount', { needs: ['boot'], after: ['run'], always: true }),
      step('copy', { needs: ['mount'], always: true }),
      stop(['copy']),
    ]);

    test('is done after a failure, and before anything is given back', async () => {
      const result = await play(plan, { run: fails('broken'), copy: takes(3) });
      expect(kinds(result)).toEqual({
        boot: 'done',
        run: 'failed',
        mount: 'done',
        copy: 'done',
        stop: 'done',
      });
      expect(result.log.slice(-4)).toEqual(['start copy', 'end copy', 'start stop', 'end stop']);
      expect(result.problems.map(({ message }) => message)).toEqual(['broken']);
    });

    test('is done after a signal, which it does not hear', async () => {
      const result = await play(plan, { run: inTurn(interrupts(), lasts), copy: takes(3) });
      expect(kinds(result)).toMatchObject({ run: 'interrupted', mount: 'done', copy: 'done', stop: 'done' });
      expect(result.exitCode).toBe(130);
    });

    test('goes on when a signal comes in its midst', async () => {
      const result = await play(plan, { copy: inTurn(interrupts(), takes(3)) });
      expect(kinds(result)).toMatchObject({ copy: 'done', stop: 'done' });
    });

    test('is done in an act of which nothing else is left', async () => {
      const acts = { ...plan, foreground: ['run'] };
      const result = await play(acts, { run: inTurn(interrupts(), lasts) });
      expect(kinds(result)).toMatchObject({ run: 'interrupted', copy: 'done', stop: 'done' });
    });

    test('is skipped where what it needs is not done', async () => {
      const result = await play(plan, { boot: fails('no disk') });
      expect(kinds(result)).toMatchObject({
        boot: 'failed',
        mount: 'skipped',
        copy: 'skipped',
        stop: 'done',
      });
      const unmounted = await play(plan, { mount: fails('no filesystem') });
      expect(kinds(unmounted)).toMatchObject({ run: 'done', mount: 'failed', copy: 'skipped', stop: 'done' });
      expect(unmounted.problems).toHaveLength(1);
    });

    test('does not keep another from being done when it fails', async () => {
      const both = planOf([
        ...plan.steps,
        step('other', { needs: ['mount'], after: ['copy'], always: true }),
      ]);
      const result = await play(both, { copy: fails('no such file') });
      expect(kinds(result)).toMatchObject({ copy: 'failed', other: 'done', stop: 'done' });
      expect(result.exitCode).toBe(1);
    });

    test('is ended by a second signal', async () => {
      const result = await play(plan, {
        run: inTurn(interrupts(), lasts),
        copy: inTurn(interrupts(), lasts),
      });
      expect(kinds(result)).toMatchObject({ run: 'interrupted', copy: 'interrupted', stop: 'done' });
      expect(result.problems).toEqual([]);
    });

    test('does not begin after a second signal', async () => {
      const result = await play(plan, { run: inTurn(interrupts(2), lasts) });
      expect(kinds(result)).toMatchObject({ run: 'interrupted', mount: 'skipped', copy: 'skipped' });
    });
  });
});

describe('exit codes', () => {
  test('0 when all went well', async () => {
    expect((await play(planOf([step('a')]))).exitCode).toBe(0);
  });

  test('that of a command that was not content: what needs it is passed over, and the cause is known', async () => {
    const plan = planOf([
      step('a'),
      step('b', { needs: ['a'] }),
      step('c', { needs: ['b'] }),
      step('d', { after: ['a'] }),
    ]);
    const result = await play(plan, { a: exits(7) });
    expect(result.exitCode).toBe(7);
    expect(kinds(result)).toEqual({ a: 'done', b: 'skipped', c: 'skipped', d: 'done' });
    expect(result.outcomes.get('a')).toEqual({ kind: 'done', exitCode: 7 });
    expect(result.outcomes.get('c')).toEqual({ kind: 'skipped', cause: 'a' });
  });

  test('the first that is not 0 counts', async () => {
    const plan = planOf([step('a'), step('b', { after: ['a'] }), step('c', { after: ['b'] })]);
    expect((await play(plan, { b: exits(5), c: exits(6) })).exitCode).toBe(5);
  });

  test('only of the steps that the plan names', async () => {
    const plan = planOf([step('a'), step('b')], { exitFrom: ['b'] });
    expect((await play(plan, { a: exits(9) })).exitCode).toBe(0);
  });
});

/** Undoes the boot. */
function stop(after: string[] = []): ReturnType<typeof step> {
  return step('stop', { after, undoes: 'boot' });
}

function kinds({ outcomes }: Performance): Record<string, string> {
  return Object.fromEntries([...outcomes].map(([id, { kind }]) => [id, kind]));
}
