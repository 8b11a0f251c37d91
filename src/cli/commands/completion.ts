import { failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { SHELLS } from '../command.ts';

/** `completion SHELL`: prints the completion script of a shell for these commands. */
export const completion = (commands: () => readonly CommandDef[]): CommandDef => ({
  name: 'completion',
  operands: '<shell>',
  completes: [SHELLS],
  scope: 'everywhere',
  help: `print the completion script for a shell: ${SHELLS.join(', ')}`,
  run: async ({ operands }, output) => {
    const [name = ''] = operands;
    const shell = SHELLS.find((candidate) => candidate === name);
    if (shell === undefined) {
      const where = { kind: 'flag' as const, flag: 'SHELL', value: name };
      const message = `SHELL must be one of ${SHELLS.join(', ')}, got ${JSON.stringify(name)}`;
      return failed({ reason: 'usage', message, where });
    }
    const { completionScript } = await import('../completion/script.ts');
    return ok(output.print(completionScript(shell, commands())));
  },
});
