import { ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { storesIn } from './layers.ts';

/** `doctor`: checks the requirements on this host. */
export const doctor: CommandDef = {
  name: 'doctor',
  operands: '',
  scope: 'everywhere',
  help: 'check whether this host has everything VMs need, and how to install what is missing',
  switches: [
    {
      flags: '--json',
      help: 'print a JSON array of { name, purpose, needed, state, found, free, get, hint }',
    },
  ],
  takesQemuArguments: false,
  intend: (invocation) => {
    const json = invocation.switches['json'] === true;
    return Promise.resolve(ok({ kind: 'doctor' as const, ...storesIn(invocation), json }));
  },
};
