import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '../../src/report/run-report.ts';
import { timed } from './command.ts';
import { median } from './measure.ts';
import type { World } from './world.ts';
import { MACHINE } from './world.ts';

/** A stretch of a session, in seconds from its beginning. */
export interface Span {
  readonly title: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * The phases of a whole session, medians over some runs: a named VM that is made, booted, used and stopped in order, from
 * an image that is not yet in the backend.
 */
export async function phasesOfSessions(world: World, runs: number): Promise<Span[]> {
  const sessions: Span[][] = [];
  for (let run = 0; run < runs; run++) sessions.push(await session(world));
  const [first = []] = sessions;
  return first.map(({ title }, index) => {
    const same = sessions.flatMap((spans) => spans[index] ?? []);
    return {
      title,
      begin: median(same.map(({ begin }) => begin)),
      end: median(same.map(({ end }) => end)),
    };
  });
}

async function session(world: World): Promise<Span[]> {
  const { transient, guestFile, cwd } = world;
  const report = join(cwd, 'report.json');
  const spec = `fresh,file=${guestFile}`;
  const what = ['--name', 'phases', '--ssh-command', 'true', '--report', `json=${report}`];
  await timed([...transient, 'run', spec, ...what, ...MACHINE], world);
  await timed([...transient, 'rm', 'phases'], world);
  await timed([...transient, 'image', 'rm', 'fresh'], world);
  return spansOf(JSON.parse(readFileSync(report, 'utf8')) as RunReport);
}

function spansOf({ began, shared, vms }: RunReport): Span[] {
  const phases = [...shared, ...vms.flatMap((vm) => vm.phases)];
  return phases.flatMap(({ title, began: from, seconds }) => {
    if (from === undefined || seconds === undefined) return [];
    const begin = (Date.parse(from) - Date.parse(began)) / 1000;
    return [{ title, begin, end: begin + seconds }];
  });
}
