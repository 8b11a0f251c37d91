import type { Problem } from '../problem.ts';

/** The message for a name that no VM of the store has; scripts look for its words. */
export function noVm(name: string): Problem {
  return {
    reason: 'unknown-reference',
    message: `No VM with name '${name}' found`,
    hint: 'transient ps -a lists the VMs of the store',
  };
}

/** A VM's place in the store, without what says what it is. */
export function noConfiguration(name: string): Problem {
  return {
    reason: 'unreadable',
    message: `VM '${name}' has no configuration: whoever created it was cut off`,
    hint: `remove it and create it again: transient rm ${name}`,
  };
}

/** The message for a name by which no VM runs; scripts look for its words. `where` says where it was looked for. */
export function notRunning(name: string, hint: string, where = ''): Problem {
  return {
    reason: 'unknown-reference',
    message: `No running VM found with the name '${name}'${where}`,
    hint,
  };
}
