import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { timed } from '../command.ts';
import type { Row } from '../row.ts';
import { times } from '../row.ts';

/** Commands that boot nothing, as whole processes. */
export const startUps: readonly Row[] = ['--version', 'ps', 'plan'].map((command) => ({
  what: command,
  against: 'node -e 0',
  ...times(2),
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
