import { ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { terminalFeatures } from '../output.ts';
import { jsonText } from '../table.ts';
import { storesIn } from '../typed-layers.ts';

/** `doctor`: checks the requirements on this host. */
export const doctor: CommandDef = {
  name: 'doctor',
  scope: 'everywhere',
  help: 'check whether this host has everything VMs need, and how to install what is missing',
  switches: [
    {
      flags: '--json',
      help: 'print a JSON array of { name, purpose, needed, state, found, free, get, hint }',
    },
  ],
  run: async (invocation, output) => {
    const [{ runChecks, canRun }, { findingsText }] = await Promise.all([
      import('../../doctor/checks.ts'),
      import('../doctor-text.ts'),
    ]);
    const { environment, switches } = invocation;
    const findings = await runChecks({ environment, ...storesIn(invocation) });
    const able = canRun(findings);
    const { color } = terminalFeatures(process.stdout);
    output.print(switches['json'] === true ? jsonText(findings) : findingsText(findings, able, color));
    return ok(able ? 0 : 1);
  },
};
