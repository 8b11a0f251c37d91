import { ok } from '../../problem.ts';
import type { CommandDef, InitAnswers } from '../command.ts';

/** `init`: a Transientfile for the project of this directory. */
export const init: CommandDef = {
  name: 'init',
  operands: '',
  scope: 'everywhere',
  help: 'write a Transientfile.toml for this directory, with what it asks for or is told',
  switches: [
    { flags: '--name <NAME>', help: 'name of the project [default: that of the directory]' },
    {
      flags: '--image <IMAGE>',
      help: 'image of its VM: NAME or NAME,PROTOCOL=SOURCE [default: an image file that lies here]',
    },
    { flags: '--memory <SIZE>', help: 'memory of the VM [default: 1G]' },
    { flags: '--command <COMMAND>', help: 'command that is run in it over ssh [default: uname -a]' },
    { flags: '-y, --yes', help: 'ask nothing' },
  ],
  takesQemuArguments: false,
  intend: ({ switches, workingDirectory }) => {
    const { yes, ...said } = switches as { yes?: boolean } & Partial<InitAnswers>;
    return Promise.resolve(
      ok({ kind: 'init' as const, directory: workingDirectory, said, ask: yes !== true }),
    );
  },
};
