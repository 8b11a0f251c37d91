import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Identity of a process that is unique despite reuse of process IDs. `started` is in clock ticks since boot (proc(5),
 * field 22 of `stat`), `boot` the kernel's boot ID, `space` its PID namespace.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: number;
  readonly boot: string;
  readonly space: string;
}

/** Identity of a running process; undefined if it does not run. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const started = startOf(pid);
  return started === undefined ? undefined : { pid, started, ...thisKernel() };
}

/** Whether the process still runs; false for one of another kernel or namespace. */
export function isAlive({ pid, started, boot, space }: ProcessIdentity): boolean {
  const here = thisKernel();
  return here.boot === boot && here.space === space && startOf(pid) === started;
}

/** Boot ID and PID namespace of this process. */
export function thisKernel(): Pick<ProcessIdentity, 'boot' | 'space'> {
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    space: readlinkSync('/proc/self/ns/pid'),
  };
}

/** Start time of a process; undefined for a zombie. */
function startOf(pid: number): number | undefined {
  try {
    // the second field is the program's name in parentheses, which may contain anything
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
