import { notRunning } from '../../config/stored-problems.ts';
import { failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { runningByNames } from './short-names.ts';
import { withoutCard } from './ssh.ts';

/** `ssh-config [VM]`: prints an ssh configuration for running VMs. */
export const sshConfig: CommandDef = {
  name: 'ssh-config',
  operands: '[vm]',
  completes: ['running'],
  scope: 'everywhere',
  help: 'print an ssh configuration of running VMs, or one of them, for ssh, scp, rsync and editors',
  switches: [],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const [name] = invocation.operands;
    const running = await runningByNames(invocation);
    if (name === undefined) {
      return ok({ kind: 'ssh-config', hosts: running.filter(({ vm }) => vm.ssh !== undefined) });
    }
    // names of the project take precedence
    const found =
      running.find(({ names }) => names[0] === name) ?? running.find(({ vm }) => vm.name === name);
    if (found === undefined) {
      return failed(notRunning(name, 'transient ps lists running VMs'));
    }
    return found.vm.ssh === undefined
      ? failed(withoutCard(found.vm.name))
      : ok({ kind: 'ssh-config', hosts: [found] });
  },
};
