import type { Hold, RunningVm } from '../host/vm-registry.ts';
import { planDown } from '../plan/project.ts';
import type { StepContext } from '../plan/executor.ts';
import { TransientError } from '../problem.ts';
import { sendRequest } from './client.ts';
import { projectOf } from './registry.ts';

/** Whether a process is the supervisor of a detached project. */
export function isSupervisor(pid: number): boolean {
  return projectOf(process.env, pid) !== undefined;
}

/**
 * Stops a VM of a detached project alone, with those that depend on it, since its supervisor has others. With `kill`
 * its QEMU is killed first. Returns false if its owner is not its supervisor.
 */
export async function stopSupervised(
  vm: RunningVm | Hold,
  kill: boolean,
  { note, signal }: Pick<StepContext, 'note' | 'signal'>,
): Promise<boolean> {
  const { name, owner } = vm;
  const project = projectOf(process.env, owner.pid);
  const supervised = project?.vms.find(({ instance }) => instance === name);
  if (project === undefined || supervised === undefined) return false;
  if (kill && 'qemu' in vm) process.kill(vm.qemu.pid, 'SIGKILL');
  const request = { plan: planDown(project.vms, [supervised.name]), vms: [] };
  const exit = await sendRequest(project, request, (event) => 'line' in event && note(event.line), signal);
  if (exit === 0) return true;
  throw new TransientError({
    reason: 'machine',
    message: `VM '${name}' did not shut down cleanly`,
    hint: 'see the log of its project: transient logs',
  });
}
