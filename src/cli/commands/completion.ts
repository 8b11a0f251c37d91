import { failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { SHELLS } from '../command.ts';

/** `completion SHELL`: prints the completion script of a shell. */
export const completion: CommandDef = {
  name: 'completion',
  operands: '<shell>',
  completes: [SHELLS],
  scope: 'everywhere',
  help: `print the completion script for a shell: ${SHELLS.join(', ')}`,
  switches: [],
  takesQemuArguments: false,
  intend: ({ operands }) => {
    const [name = ''] = operands;
    const shell = SHELLS.find((candidate) => candidate === name);
    if (shell !== undefined) return Promise.resolve(ok({ kind: 'completion' as const, shell }));
    const where = { kind: 'flag' as const, flag: 'SHELL', value: name };
    const message = `SHELL must be one of ${SHELLS.join(', ')}, got ${JSON.stringify(name)}`;
    return Promise.resolve(failed({ reason: 'usage', message, where }));
  },
};
