import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ordered } from '../../src/plan/graph.ts';
import type { Plan, Step, StepId } from '../../src/plan/step.ts';
import { ends, exits, fails, takes, turns } from './parts.ts';
import type { Part, Performance } from './fixture.ts';
import { planOf, play, step, shuffleBy } from './fixture.ts';

// Twenty VMs that depend on each other, each from a lock to its release, with all that can go wrong with them; the steps
// are like those of a session, but who waits for whom is left to chance.

const COUNT = 20;

/** Behaviour of a step after some turns, by name, so that a counterexample is readable. */
const ENDINGS: Readonly<Record<string, Part | undefined>> = {
  done: undefined,
  fails: fails('it failed'),
  ends,
  'exits with 3': exits(3),
  'exits with 4': exits(4),
};

const UNTIL = ['boot', 'ready', 'run'] as const;

/** Mostly all is well: of what went wrong at once nothing could be learned. */
const mostly = (...others: string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { arbitrary: fc.constant('done'), weight: 30 },
    { arbitrary: fc.constantFrom(...others), weight: 1 },
  );

const drawnStep = (ending: fc.Arbitrary<string>): fc.Arbitrary<{ takes: number; ending: string }> =>
  fc.record({ takes: fc.nat({ max: 6 }), ending });

const drawnVm = fc.record({
  /** Others, as distances back, so that there is no circle. */
  needs: fc.uniqueArray(
    fc.record({ back: fc.integer({ min: 1, max: 8 }), until: fc.constantFrom(...UNTIL) }),
    {
      selector: ({ back }) => back,
      maxLength: 2,
    },
  ),
  /** Others whose commands must be over, however they ended. */
  after: fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { maxLength: 1 }),
  isReached: fc.boolean(),
  lock: drawnStep(mostly('fails')),
  boot: drawnStep(mostly('fails', 'ends')),
  ready: drawnStep(mostly('fails', 'ends')),
  run: drawnStep(mostly('exits with 3', 'exits with 4', 'fails')),
  copy: drawnStep(mostly('fails')),
  stop: drawnStep(mostly('fails')),
  unlock: drawnStep(mostly('fails')),
});

const drawn = fc.record({
  vms: fc.array(drawnVm, { minLength: COUNT, maxLength: COUNT }),
  keepGoing: fc.boolean(),
  limit: fc.option(fc.integer({ min: 1, max: 5 })),
  foreground: fc.option(fc.nat({ max: COUNT - 1 })),
  /** Turns until the first signal, and from there to the next one. */
  signals: fc.oneof(
    { arbitrary: fc.constant([]), weight: 2 },
    { arbitrary: fc.array(fc.nat({ max: 80 }), { minLength: 1, maxLength: 2 }), weight: 1 },
  ),
  order: fc.infiniteStream(fc.nat()),
});

type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

interface Played extends Performance {
  readonly plan: Plan;
  readonly signals: readonly number[];
}

describe('whatever happens to twenty VMs', () => {
  check('every step settles', ({ plan, outcomes }) => {
    expect([...outcomes.keys()].sort()).toEqual(plan.steps.map(({ id }) => id).sort());
  });

  check('a step begins when all that it waits for is over, and all that it needs is done', (played) => {
    const { plan, log } = played;
    for (const one of plan.steps) {
      const start = log.indexOf(`start ${one.id}`);
      if (start < 0) continue;
      const before = new Set(log.slice(0, start));
      const { needs, after, undoes = one.id } = one;
      const waitedFor = [...needs, ...after, undoes].filter((id) => id !== one.id);
      expect(waitedFor.filter((id) => log.includes(`start ${id}`) && !before.has(`end ${id}`))).toEqual([]);
      expect(one.needs.filter((id) => !before.has(`end ${id}`) || !isDone(played, id))).toEqual([]);
    }
  });

  check('what was begun is given back once, what was not is not, and nothing happens twice', (played) => {
    const { plan, log } = played;
    expect(new Set(log).size).toBe(log.length);
    const undone = plan.steps.filter(({ undoes }) => undoes !== undefined);
    expect(undone.map(({ id }) => log.includes(`start ${id}`))).toEqual(
      undone.map(({ undoes }) => log.includes(`start ${undoes}`)),
    );
  });

  check('never more machines are on their way than may be', ({ plan, log, outcomes }) => {
    const { limit = Infinity, spans = [] } = plan.starts ?? {};
    const under = new Set<StepId>();
    for (const line of log) {
      const [what, id = ''] = line.split(' ');
      for (const { from, to } of spans) {
        // one that is never waited for has its way behind it as soon as it has booted
        const isLast = to === id || (from === id && !log.includes(`start ${to}`));
        if (what === 'start' && from === id) under.add(from);
        if (what === 'end' && (isLast || (from === id && outcomes.get(id)?.kind !== 'done')))
          under.delete(from);
      }
      expect(under.size).toBeLessThanOrEqual(limit);
    }
  });

  check('the exit code is that of the signal, or of what first went wrong', (played) => {
    const { log, exitCode, signals } = played;
    const wrong = log.flatMap((line) => {
      const [what, id = ''] = line.split(' ');
      const code = what === 'end' ? badCode(played, id) : 0;
      return code === 0 ? [] : [code];
    });
    expect(exitCode).toBe(signals.length > 0 ? 130 : (wrong[0] ?? 0));
  });

  check('what fails is reported, once each, and nothing else', ({ outcomes, problems }) => {
    expect(problems).toHaveLength([...outcomes.values()].filter(({ kind }) => kind === 'failed').length);
  });

  check('what is to be done always is done unless what it needs is not, or there was no time', (played) => {
    const { plan, log, signals } = played;
    if (signals.length > 1) return;
    for (const one of plan.steps.filter(({ always }) => always === true))
      expect(log.includes(`start ${one.id}`)).toBe(one.needs.every((id) => isDone(played, id)));
  });

  check('who keeps going leaves out only what needs something that is not done', (played) => {
    const { plan, outcomes, signals } = played;
    if (plan.keepGoing !== true || signals.length > 0) return;
    for (const one of plan.steps.filter(({ undoes }) => undoes === undefined)) {
      const couldRun = one.needs.every((id) => isDone(played, id));
      expect(outcomes.get(one.id)?.kind === 'skipped').toBe(!couldRun);
    }
  });

  check('who does not ends with the first failure', (played) => {
    const { plan, log } = played;
    if (plan.keepGoing === true) return;
    const first = log.findIndex((line) => line.startsWith('end ') && badCode(played, line.slice(4)) !== 0);
    const ordinary = plan.steps.filter(({ undoes, always }) => undoes === undefined && always !== true);
    const starts = new Set(ordinary.map(({ id }) => `start ${id}`));
    // of what ended in the same moment some may have led on
    const late = log.slice(first + COUNT).filter((line) => starts.has(line));
    expect(first < 0 ? [] : late).toEqual([]);
  });
});

/** Checks a property on random VMs. */
function check(what: string, property: (played: Played) => void): void {
  test(what, async () => {
    await fc.assert(
      fc.asyncProperty(drawn, async (drawing) => {
        const { plan, parts } = planFrom(drawing);
        const result = await play(plan, parts, shuffleBy(drawing.order));
        property({ ...result, plan, signals: drawing.signals });
      }),
      { numRuns: 60, timeout: 1500, endOnFailure: true },
    );
  });
}

function isDone({ outcomes }: Performance, id: StepId): boolean {
  const outcome = outcomes.get(id);
  return outcome?.kind === 'done' && (outcome.exitCode ?? 0) === 0;
}

/** Contribution of a step to the exit code: 0 if it succeeded or was interrupted. */
function badCode({ outcomes }: Performance, id: StepId): number {
  const outcome = outcomes.get(id);
  if (outcome?.kind === 'failed') return 1;
  return outcome?.kind === 'done' ? (outcome.exitCode ?? 0) : 0;
}

function planFrom({ vms, keepGoing, limit, foreground, signals }: Drawn): {
  plan: Plan;
  parts: Record<StepId, Part>;
} {
  const steps = vms.flatMap((vm, index) => stepsOf(vm, index, vms));
  const spans = vms.map(({ isReached }, index) => ({
    from: `v${index}/boot`,
    to: isReached ? `v${index}/ready` : `v${index}/boot`,
  }));
  const parts = vms.flatMap((vm, index) =>
    (['lock', 'boot', 'ready', 'run', 'copy', 'stop', 'unlock'] as const).map(
      (what) => [`v${index}/${what}`, takes(vm[what].takes, ENDINGS[vm[what].ending])] as const,
    ),
  );
  const clock: Part = async (_context, stage) => {
    for (const [index, count] of signals.entries()) {
      await turns(count);
      stage.interrupt(index === 0 ? 130 : 143);
    }
    return undefined;
  };
  const plan = planOf(ordered([step('clock'), ...steps]), {
    exitFrom: steps.flatMap(({ id, kind }) => (kind === 'guest.run' ? [id] : [])),
    foreground: foreground === null ? [] : [`v${foreground}/run`],
    keepGoing,
    ...(limit === null ? {} : { starts: { limit, spans } }),
  });
  return { plan, parts: { clock, ...Object.fromEntries(parts) } };
}

type Vm = Drawn['vms'][number];

function stepsOf({ needs, after, isReached }: Vm, index: number, vms: readonly Vm[]): Step[] {
  const id = (what: string, vm = index): StepId => `v${vm}/${what}`;
  const earlier = needs.filter(({ back }) => back <= index);
  const lastOf = (vm: number, until: string): StepId =>
    until === 'ready' && vms[vm]?.isReached !== true ? id('boot', vm) : id(until, vm);
  const dependents = vms.flatMap((other, at) =>
    other.needs.some(({ back, until }) => at - back === index && until !== 'run') ? [id('stop', at)] : [],
  );
  const booted = isReached ? id('ready') : id('boot');
  const reached = isReached ? [step(id('ready'), { needs: [id('boot')] })] : [];
  const boot = step(id('boot'), {
    needs: [id('lock'), ...earlier.map(({ back, until }) => lastOf(index - back, until))],
    after: after.flatMap((back) => (back <= index ? [id('run', index - back)] : [])),
  });
  const vmSteps: Step[] = [
    step(id('lock')),
    boot,
    ...reached,
    { ...step(id('run'), { needs: [booted] }), kind: 'guest.run', phase: 'user', command: 'true' } as Step,
    step(id('copy'), { needs: [booted], after: [id('run')], always: true }),
    step(id('stop'), { undoes: id('boot'), after: [booted, id('run'), id('copy'), ...dependents] }),
    step(id('unlock'), { undoes: id('lock'), after: [id('stop')] }),
  ];
  return vmSteps.map((one) => ({ ...one, vm: `v${index}` }));
}
