import { ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { storesIn } from './layers.ts';

/** `doctor`: what this host has of what we use. */
export const doctor: CommandDef = {
  name: 'doctor',
  operands: '',
  scope: 'everywhere',
  help: 'look whether this machine has what VMs need, and say how to get what is missing',
  switches: [
    {
      flags: '--json',
      help: 'as JSON: an array of { name, purpose, needed, state, found, free, get, hint }',
    },
  ],
  takesQemuArguments: false,
  intend: (invocation) => {
    const json = invocation.switches['json'] === true;
    return Promise.resolve(ok({ kind: 'doctor' as const, ...storesIn(invocation), json }));
  },
};
