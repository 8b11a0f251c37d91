import { readFileSync, readlinkSync } from 'node:fs';

/**
 * One process for good, which a number alone does not name: numbers are used again. `started` is in clock ticks since
 * boot (proc(5), field 22 of `stat`), `boot` the kernel's id of that boot, `space` the namespace that numbers it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: number;
  readonly boot: string;
  readonly space: string;
}

/** The mark of a process that runs now; undefined for one that does not. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const started = startOf(pid);
  return started === undefined ? undefined : { pid, started, ...thisKernel() };
}

/** Whether the marked process still runs. What another kernel or another namespace counts is none of ours. */
export function isAlive({ pid, started, boot, space }: ProcessIdentity): boolean {
  const here = thisKernel();
  return here.boot === boot && here.space === space && startOf(pid) === started;
}

/** What numbers the processes that we see. */
export function thisKernel(): Pick<ProcessIdentity, 'boot' | 'space'> {
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    space: readlinkSync('/proc/self/ns/pid'),
  };
}

/** When a process began; a dead one that nobody has waited for yet does not run any more. */
function startOf(pid: number): number | undefined {
  try {
    // the second field is the program's name in brackets, which may hold anything
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
