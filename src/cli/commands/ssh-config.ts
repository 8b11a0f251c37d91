import { notRunning } from '../../config/stored-problems.ts';
import { failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { runningByNames } from './short-names.ts';
import { withoutCard } from './ssh.ts';

/** `ssh-config [VM]`: how ssh and what is built on it reach running VMs. */
export const sshConfig: CommandDef = {
  name: 'ssh-config',
  operands: '[vm]',
  completes: ['running'],
  scope: 'everywhere',
  help: 'print a configuration for ssh, scp, rsync and editors with the VMs that run, or one of them',
  switches: [],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const [name] = invocation.operands;
    const running = await runningByNames(invocation);
    if (name === undefined) {
      return ok({ kind: 'ssh-config', hosts: running.filter(({ vm }) => vm.ssh !== undefined) });
    }
    // the names of a project come first there
    const found =
      running.find(({ names }) => names[0] === name) ?? running.find(({ vm }) => vm.name === name);
    if (found === undefined) {
      return failed(notRunning(name, 'transient ps lists what runs'));
    }
    return found.vm.ssh === undefined
      ? failed(withoutCard(found.vm.name))
      : ok({ kind: 'ssh-config', hosts: [found] });
  },
};
