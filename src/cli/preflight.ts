import { lstat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { copiesFromHost } from '../plan/sources.ts';
import type { CopyIn, Plan, Step, StepId } from '../plan/step.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok, problemOf, systemMessage } from '../problem.ts';
import type { Outcome, RunResult } from '../run/runner.ts';
import type { Lookup } from '../lookups.ts';

/** Reason why a step would fail, detected before the run starts. */
export interface Obstacle {
  readonly step: StepId;
  readonly problem: Problem;
}

/**
 * Checks that the programs a plan runs and the files it copies into guests exist, so that everything missing is reported
 * together before the first lock is taken and the first machine boots.
 */
export async function obstaclesTo(plan: Plan): Promise<Obstacle[]> {
  const found = await Promise.all([programObstacles(plan.steps), ...copiesFromHost(plan).map(missingSource)]);
  const seen = new Set<string>();
  const obstacles = found.flat().filter((obstacle) => obstacle !== undefined);
  return obstacles.filter((obstacle) => {
    if (seen.has(obstacle.problem.message)) return false;
    seen.add(obstacle.problem.message);
    return true;
  });
}

async function programObstacles(steps: readonly Step[]): Promise<(Obstacle | undefined)[]> {
  const { ALWAYS, lookupsOf } = await import('../lookups.ts');
  const wanted = steps.flatMap((step) => lookupsOf(step).map((lookup) => ({ step: step.id, lookup })));
  const [first] = wanted;
  if (first === undefined) return [];
  const always = ALWAYS.map((lookup) => ({ step: first.step, lookup }));
  return Promise.all([...wanted, ...always].map(async ({ step, lookup }) => failureOf(step, lookup)));
}

async function failureOf(step: StepId, lookup: Lookup): Promise<Obstacle | undefined> {
  try {
    await lookup();
    return undefined;
  } catch (error) {
    return { step, problem: problemOf(error) };
  }
}

async function missingSource({ id, vm, host, guest }: CopyIn): Promise<Obstacle | undefined> {
  return lstat(resolve(host)).then(
    () => undefined,
    (cause: unknown) => {
      const why = `cannot copy ${host} from the host: ${systemMessage(cause)}`;
      const where = { kind: 'vm', vm } as const;
      return {
        step: id,
        problem: { reason: 'host', message: `copying in ${host}:${guest}: ${why}`, where },
      };
    },
  );
}

/** Fails with the obstacles to a plan, if there are any. */
export async function refuseObstacles(plan: Plan): Promise<Result<undefined>> {
  const obstacles = await obstaclesTo(plan);
  return obstacles.length > 0 ? failed(...obstacles.map(({ problem }) => problem)) : ok(undefined);
}

/** Result of a run that is not started: steps with obstacles have failed, all others are skipped. */
export function notBegun({ steps }: Plan, obstacles: readonly Obstacle[]): RunResult {
  const [first] = obstacles;
  const outcomes = new Map<StepId, Outcome>(
    steps.map(({ id }) => [id, { kind: 'skipped', ...(first ? { cause: first.step } : {}) }]),
  );
  for (const { step, problem } of obstacles) outcomes.set(step, { kind: 'failed', problem });
  return { outcomes, problems: obstacles.map(({ problem }) => problem), output: [], exitCode: 1 };
}
