import { ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { jsonText } from '../table.ts';
import { storesIn } from '../typed-layers.ts';
import { vmTable } from '../vm-table.ts';

/** `ps`: lists the VMs of the store. */
export const ps: CommandDef = {
  name: 'ps',
  scope: 'everywhere',
  help: 'list running VMs',
  switches: [
    { flags: '-a, --all', help: 'also list stopped VMs of the VM store' },
    { flags: '--ssh', help: 'show the ssh address of each VM' },
    { flags: '--pid', help: 'show the process ID of each QEMU' },
    {
      flags: '--json',
      help: 'print a JSON array of { name, images, status, stored, started, created, pid, owner, ssh, forwards }',
    },
  ],
  run: async (invocation, output) => {
    const { switches, environment } = invocation;
    const [{ vmRows }, { endedVms }] = await Promise.all([
      import('../../vmstore/list.ts'),
      import('../../daemon/registry.ts'),
    ]);
    const { vmstore } = storesIn(invocation);
    const rows = await vmRows(environment, vmstore, endedVms(environment), switches['all'] === true);
    const columns = { ssh: switches['ssh'] === true, pid: switches['pid'] === true };
    return ok(output.print(switches['json'] === true ? jsonText(rows) : vmTable(rows, columns, Date.now())));
  },
};
