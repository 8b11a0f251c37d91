import { ok } from '../../problem.ts';
import type { CommandDef, InitAnswers } from '../command.ts';

/** `init`: creates a Transientfile for the project in this directory. */
export const init: CommandDef = {
  name: 'init',
  operands: '',
  scope: 'everywhere',
  help: 'create a Transientfile.toml in this directory, asking for values that are not given',
  switches: [
    { flags: '--name <NAME>', help: 'name of the project [default: the name of the directory]' },
    {
      flags: '--image <IMAGE>',
      help: 'image of its VM: NAME or NAME,PROTOCOL=SOURCE [default: an image file in this directory]',
    },
    { flags: '--memory <SIZE>', help: 'memory of the VM [default: 1G]' },
    { flags: '--command <COMMAND>', help: 'command to run in the VM over ssh [default: uname -a]' },
    { flags: '-y, --yes', help: 'do not ask questions' },
  ],
  takesQemuArguments: false,
  intend: ({ switches, workingDirectory }) => {
    const { yes, ...given } = switches as { yes?: boolean } & Partial<InitAnswers>;
    return Promise.resolve(
      ok({ kind: 'init' as const, directory: workingDirectory, given, ask: yes !== true }),
    );
  },
};
