import { notRunning } from '../../config/stored-problems.ts';
import { failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { runningByNames } from '../vm-names.ts';
import { withoutCard } from './ssh.ts';

/** `ssh-config [VM]`: prints an ssh configuration for running VMs. */
export const sshConfig: CommandDef = {
  name: 'ssh-config',
  operands: '[vm]',
  completes: ['running'],
  scope: 'everywhere',
  help: 'print an ssh configuration of running VMs, or one of them, for ssh, scp, rsync and editors',
  run: async (invocation, output) => {
    const [name] = invocation.operands;
    const running = await runningByNames(invocation);
    // names of the project take precedence
    const named =
      running.find(({ names }) => names[0] === name) ?? running.find(({ vm }) => vm.name === name);
    if (name !== undefined && named === undefined)
      return failed(notRunning(name, 'transient ps lists running VMs'));
    if (named !== undefined && named.vm.ssh === undefined) return failed(withoutCard(named.vm.name));
    const { hostBlocks } = await import('../../guest/ssh-config.ts');
    const hosts = named === undefined ? running.filter(({ vm }) => vm.ssh !== undefined) : [named];
    return ok(output.print(await hostBlocks(hosts)));
  },
};
