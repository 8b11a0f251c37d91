import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { waitsFor } from '../../src/plan/graph.ts';
import type { Plan, Step } from '../../src/plan/step.ts';
import { ends, exits, fails, interrupts, takes, inTurn } from './parts.ts';
import type { Part, Performance } from './fixture.ts';
import { planOf, play, step, shuffleBy } from './fixture.ts';

/** Possible behaviours of a step, by name, so that a counterexample is readable. */
const PARTS: Readonly<Record<string, Part>> = {
  done: takes(1),
  slow: takes(4),
  fails: takes(2, fails('it failed')),
  exits: takes(1, exits(7)),
  ends: takes(1, ends),
  'is interrupted': takes(2, inTurn(interrupts(), takes(6))),
  'is interrupted twice': takes(1, inTurn(interrupts(2), takes(6))),
};

/** A step in a random plan: what it waits for is given as distances back, so that there is no circle. */
const drawnStep = fc.record({
  needs: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
  after: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 2 }),
  undoes: fc.option(fc.integer({ min: 1, max: 6 }), { freq: 3 }),
  inForeground: fc.boolean(),
  part: fc.constantFrom(...Object.keys(PARTS)),
});

const drawn = fc.record({
  steps: fc.array(drawnStep, { minLength: 1, maxLength: 12 }),
  withForeground: fc.boolean(),
  order: fc.infiniteStream(fc.nat()),
});

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

describe('whatever the plan and whatever happens', () => {
  check('every step settles', ({ plan, outcomes }) => {
    expect([...outcomes.keys()].sort()).toEqual(plan.steps.map(({ id }) => id).sort());
  });

  check('a step starts only after all that it waits for has settled', ({ plan, log }) => {
    for (const one of plan.steps) {
      const start = log.indexOf(`start ${one.id}`);
      if (start < 0) continue;
      for (const id of waitsFor(one)) {
        if (log.includes(`start ${id}`)) expect(log.indexOf(`end ${id}`)).toBeLessThan(start);
      }
    }
  });

  check('an ordinary step ran only if all its needs were done', ({ plan, log, outcomes }) => {
    for (const one of plan.steps.filter(isOrdinary)) {
      if (!log.includes(`start ${one.id}`)) continue;
      expect(one.needs.map((id) => outcomes.get(id)?.kind)).toEqual(one.needs.map(() => 'done'));
    }
  });

  check('no step runs twice', ({ log }) => {
    expect(new Set(log).size).toBe(log.length);
  });

  check('an undo step runs exactly when what it undoes began', ({ plan, log }) => {
    for (const one of plan.steps) {
      if (one.undoes === undefined) continue;
      expect(log.includes(`start ${one.id}`)).toBe(log.includes(`start ${one.undoes}`));
    }
  });

  check('after a failure or a signal no ordinary step starts', ({ plan, log, outcomes }) => {
    const over = log.findIndex((line) => {
      const [what, id = ''] = line.split(' ');
      return what === 'end' && outcomes.get(id)?.kind === 'failed';
    });
    const ordinary = new Set(plan.steps.filter(isOrdinary).map(({ id }) => `start ${id}`));
    // the failure is known a moment after the step's last word
    if (over >= 0) expect(log.slice(over + 2).filter((line) => ordinary.has(line))).toEqual([]);
  });

  check('each failure is reported once, and nothing else is', ({ outcomes, problems }) => {
    const failures = [...outcomes.values()].filter(({ kind }) => kind === 'failed');
    expect(problems).toHaveLength(failures.length);
  });

  check('the exit code is 0 exactly when all went well', ({ outcomes, exitCode }) => {
    const well = [...outcomes.values()].every(
      (outcome) => outcome.kind !== 'failed' && !(outcome.kind === 'done' && outcome.exitCode),
    );
    const interrupted = exitCode === 130;
    expect(exitCode === 0).toBe(well && !interrupted);
  });
});

/** Checks a property on random plans. */
function check(what: string, property: (played: Performance & { plan: Plan }) => void): void {
  test(what, async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (drawing) => {
        const { plan, parts } = planFrom(drawing);
        const result = await play(plan, parts, shuffleBy(drawing.order));
        property({ ...result, plan });
      }),
    );
  });
}

function planFrom({ steps: drawings, withForeground }: Drawn): { plan: Plan; parts: Record<string, Part> } {
  const undoers = new Set<number>();
  const steps = drawings.map(({ needs, after, undoes }, index) => {
    const back = (distances: readonly number[]): string[] =>
      distances.flatMap((distance) => (distance > index ? [] : [`s${index - distance}`]));
    const target = undoes === null ? -1 : index - undoes;
    // what gives back is itself not given back, and needs nothing: it must run
    if (target < 0 || undoers.has(target))
      return step(`s${index}`, { needs: back(needs), after: back(after) });
    undoers.add(index);
    return step(`s${index}`, { after: [...back(needs), ...back(after)], undoes: `s${target}` });
  });
  const foreground = steps.filter(
    (one, index) => withForeground && isOrdinary(one) && drawings[index]?.inForeground,
  );
  const parts = drawings.map(({ part }, index) => [`s${index}`, PARTS[part] ?? takes(0)] as const);
  return {
    plan: planOf(steps, { foreground: foreground.map(({ id }) => id) }),
    parts: Object.fromEntries(parts),
  };
}

function isOrdinary({ undoes }: Step): boolean {
  return undoes === undefined;
}
