import { failed, ok } from '../../problem.ts';
import { listenForSignals } from '../../run/signals.ts';
import type { CommandDef } from '../command.ts';
import type { InitAnswers } from '../init/text.ts';

/** `init`: creates a Transientfile for the project in this directory. */
export const init: CommandDef = {
  name: 'init',
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
  run: async ({ switches, workingDirectory }, output) => {
    const { yes, ...given } = switches as { yes?: boolean } & Partial<InitAnswers>;
    const signals = listenForSignals();
    const { initProject } = await import('../init/project.ts');
    try {
      const written = await initProject(workingDirectory, given, yes !== true, signals.abort);
      return written.ok ? ok(output.note(written.value)) : failed(...written.problems);
    } catch (error) {
      if (!signals.abort.aborted) throw error;
      return ok(signals.exitCode() ?? 1);
    }
  },
};
