import { readFileSync, readdirSync } from 'node:fs';

/** Processes whose environment has this variable with this value. */
export function processesWith(variable: string, value: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => environmentOf(pid).includes(`${variable}=${value}`));
}

/** The command line of a process, or nothing where it is gone. */
export function commandLineOf(pid: number): string {
  return procFile(pid, 'cmdline').replaceAll('\0', ' ').trim();
}

/** The children of a process, also those of which we may not see the environment. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => procFile(pid, 'status').includes(`\nPPid:\t${parent}\n`));
}

function environmentOf(pid: number): string[] {
  return procFile(pid, 'environ').split('\0');
}

function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    // it is gone, or another user's
    return '';
  }
}
