import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acts, ordered, waitsFor } from '../../src/plan/graph.ts';
import type { Step, StepId } from '../../src/plan/step.ts';
import { planOf, step } from '../run/fixture.ts';

describe('what a step waits for', () => {
  test('its needs, what it comes after, and what it undoes, once each', () => {
    const one = step('c', { needs: ['a', 'b'], after: ['b'], undoes: 'a' });
    expect(waitsFor(one)).toEqual(['a', 'b']);
  });
});

describe('order', () => {
  test('each comes after what it waits for, else as given', () => {
    const steps = [step('d', { after: ['b'] }), step('c'), step('b', { needs: ['a'] }), step('a')];
    expect(ordered(steps).map(({ id }) => id)).toEqual(['a', 'b', 'd', 'c']);
  });

  test('a circle is reported with the steps in it', () => {
    const steps = [step('a', { needs: ['b'] }), step('b', { after: ['c'] }), step('c', { needs: ['a'] })];
    expect(() => ordered(steps)).toThrow('steps wait for each other: a → b → c → a');
  });

  test('a step that waits for itself is a circle', () => {
    expect(() => ordered([step('a', { needs: ['a'] })])).toThrow('a → a');
  });

  test('an edge to nowhere is reported', () => {
    expect(() => ordered([step('a', { needs: ['b'] })])).toThrow(
      'step a waits for b, which is not in the plan',
    );
  });

  test('two steps of one name are reported', () => {
    expect(() => ordered([step('a'), step('a')])).toThrow('same id');
  });

  test('whatever is given, nothing is lost and everything waits for something earlier', () => {
    fc.assert(
      fc.property(shuffledSteps, (steps) => {
        const result = ordered(steps);
        expect(new Set(result)).toEqual(new Set(steps));
        result.forEach((one, index) => {
          const earlier = result.slice(0, index).map(({ id }) => id);
          expect(earlier).toEqual(expect.arrayContaining([...waitsFor(one)]));
        });
      }),
    );
  });

  test('what is in order stays as it is', () => {
    fc.assert(
      fc.property(shuffledSteps, (steps) => {
        const once = ordered(steps);
        expect(ordered(once)).toEqual(once);
      }),
    );
  });
});

describe('acts', () => {
  const steps = [
    step('image'),
    step('boot', { needs: ['image'] }),
    step('run', { needs: ['boot'] }),
    step('stop', { after: ['run'], undoes: 'boot' }),
  ];

  test('without a foreground there is one', () => {
    expect(acts(planOf(steps))).toEqual([{ mode: 'view', steps }]);
  });

  test('before, the foreground, after', () => {
    expect(cut(steps, ['run'])).toEqual(['view: image boot', 'bare: run', 'view: stop']);
  });

  test('a foreground that begins earlier', () => {
    expect(cut(steps, ['boot', 'run'])).toEqual(['view: image', 'bare: boot run', 'view: stop']);
  });

  test('acts without steps are left out', () => {
    expect(cut([step('a')], ['a'])).toEqual(['bare: a']);
  });

  test('what comes between two foreground steps runs beside them', () => {
    const between = [step('a'), step('x', { needs: ['a'] }), step('b', { needs: ['x'] })];
    expect(cut(between, ['a', 'b'])).toEqual(['bare: a x b']);
  });

  test('whatever the plan, each step is in one act, and none waits for a later one', () => {
    fc.assert(
      fc.property(shuffledSteps, fc.infiniteStream(fc.boolean()), (drawn, owns) => {
        const all = ordered(drawn);
        const foreground = all.filter(() => owns.next().value === true).map(({ id }) => id);
        const found = acts(planOf(all, { foreground }));
        expect(found.flatMap((act) => act.steps).length).toBe(all.length);
        const actOf = new Map(found.flatMap((act, index) => act.steps.map(({ id }) => [id, index] as const)));
        for (const one of all) {
          const act = actOf.get(one.id) ?? -1;
          expect(act).toBeGreaterThanOrEqual(0);
          for (const id of waitsFor(one)) expect(actOf.get(id)).toBeLessThanOrEqual(act);
        }
      }),
    );
  });

  test('whatever the plan, foreground steps are bare', () => {
    fc.assert(
      fc.property(shuffledSteps, fc.infiniteStream(fc.boolean()), (drawn, owns) => {
        const all = ordered(drawn);
        const foreground = all.filter(() => owns.next().value === true).map(({ id }) => id);
        const bare = acts(planOf(all, { foreground })).flatMap((act) =>
          act.mode === 'bare' ? act.steps : [],
        );
        expect(bare.map(({ id }) => id)).toEqual(expect.arrayContaining(foreground));
      }),
    );
  });
});

/** Steps without a circle, in any order. */
const shuffledSteps = fc
  .array(fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { maxLength: 3 }), { maxLength: 12 })
  .map((edges) =>
    edges.map((distances, index) => {
      const back = distances
        .filter((distance) => distance <= index)
        .map((distance) => `s${index - distance}`);
      return step(`s${index}`, { needs: back.slice(0, 1), after: back.slice(1) });
    }),
  )
  .chain((steps): fc.Arbitrary<Step[]> => fc.shuffledSubarray(steps, { minLength: steps.length }));

function cut(steps: readonly Step[], foreground: readonly StepId[]): string[] {
  return acts(planOf(steps, { foreground })).map(
    ({ mode, steps: actSteps }) => `${mode}: ${actSteps.map(({ id }) => id).join(' ')}`,
  );
}
