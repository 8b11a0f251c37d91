import type { Problem } from '../problem.ts';

/** Problem for a name that no stored VM has; scripts match the message. */
export function noVm(name: string): Problem {
  return {
    reason: 'unknown-reference',
    message: `No VM with name '${name}' found`,
    hint: 'transient ps -a lists the VMs of the store',
  };
}

/** Problem for a VM directory in the store that has no configuration file. */
export function noConfiguration(name: string): Problem {
  return {
    reason: 'unreadable',
    message: `VM '${name}' has no configuration; its creation was interrupted`,
    hint: `remove it and create it again: transient rm ${name}`,
  };
}

/** Problem for a name that no running VM has; scripts match the message. `where` is appended to it. */
export function notRunning(name: string, hint: string, where = ''): Problem {
  return {
    reason: 'unknown-reference',
    message: `No running VM found with the name '${name}'${where}`,
    hint,
  };
}
