import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { timed } from '../command.ts';
import type { Row } from '../row.ts';
import { times } from '../row.ts';

/** Commands that boot nothing, as whole processes. */
export const startUps: readonly Row[] = (
  [
    ['--version', 2],
    ['ps', 1.5],
    ['plan', 1.8],
  ] as const
).map(([command, goal]) => ({
  what: command,
  against: 'node -e 0',
  ...times(goal),
  pairs: 20,
  prepare: (world) => {
    const file = join(world.cwd, 'Transientfile.toml');
    writeFileSync(file, '[vms.a]\nimage = "tiny"\nssh-command = "true"\n');
    return Promise.resolve({
      ours: () => timed([...world.transient, command], world),
      reference: () => timed([process.execPath, '-e', '0'], world),
    });
  },
}));
