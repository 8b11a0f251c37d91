import type { ImageRef } from '../../options/values/image-spec.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import { listenForSignals } from '../../run/signals.ts';
import type { CommandDef } from '../command.ts';
import { lookupFor } from '../image-names.ts';
import { storesIn } from '../typed-layers.ts';
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
      help: 'image of its VM: such as debian:13, NAME or NAME,PROTOCOL=SOURCE [default: an image file in this directory, else debian:13]',
    },
    { flags: '--memory <SIZE>', help: 'memory of the VM [default: 1G]' },
    { flags: '--command <COMMAND>', help: 'command to run in the VM over ssh [default: uname -a]' },
    { flags: '-y, --yes', help: 'do not ask questions' },
  ],
  run: async (invocation, output) => {
    const { switches, workingDirectory } = invocation;
    const { backend } = storesIn(invocation);
    const find = async (image: ImageRef): Promise<Result<unknown>> =>
      (await lookupFor([image], backend, invocation))(image, backend);
    const { yes, ...given } = switches as { yes?: boolean } & Partial<InitAnswers>;
    const signals = listenForSignals();
    const { initProject } = await import('../init/project.ts');
    try {
      const written = await initProject(workingDirectory, given, yes !== true, find, signals.abort);
      return written.ok ? ok(output.note(written.value)) : failed(...written.problems);
    } catch (error) {
      if (!signals.abort.aborted) throw error;
      return ok(signals.exitCode() ?? 1);
    }
  },
};
