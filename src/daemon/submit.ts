import { setTimeout as delay } from 'node:timers/promises';
import { patience, within } from '../host/deadline.ts';
import { isAlive } from '../host/process-identity.ts';
import { sweepRunDirectories } from '../host/run-directory.ts';
import { allRunningVms } from '../host/vm-registry.ts';
import type { Plan } from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import type { RunSignals } from '../run/runner.ts';
import { SupervisorUnreachable, sendRequest } from './client.ts';
import type { Request, SupervisorEvent } from './protocol.ts';
import type { ProjectRecord } from './registry.ts';
import { forgetEnded } from './registry.ts';
import { startSupervisor } from './start.ts';

/** A request for a detached project. */
export interface ProjectRequest {
  readonly request: Request;
  /** Record of the running supervisor, if there is one. */
  readonly record: ProjectRecord | undefined;
  /** Real path of the Transientfile. */
  readonly file: string;
  readonly project: string;
  /** Whether nothing of the project runs afterwards, so that the supervisor's exit is awaited. */
  readonly isLast?: boolean;
  /** Whether to kill the VMs that the plan stops first, and a supervisor that does not answer. */
  readonly kill?: boolean;
}

/** Poll interval for the exit of a process, in milliseconds. */
const INTERVAL = 20;

/** Sends a request to the supervisor of a project, starting it if necessary; returns the exit code. */
export async function submit(
  { request, record, file, project, isLast = false, kill = false }: ProjectRequest,
  onEvent: (event: SupervisorEvent) => void,
  signals: RunSignals,
): Promise<number> {
  const supervisor = record ?? { run: await startSupervisor({ file, project }) };
  try {
    if (kill && record !== undefined) killVms(record, request.plan);
    const exit = await sendRequest(supervisor, request, onEvent, signals.abort);
    if (isLast && record !== undefined) {
      await supervisorEnd(record.owner, signals.abort);
      // VMs that ended by themselves have been reported
      await forgetEnded(process.env, file);
    }
    return exit;
  } catch (error) {
    const exit = signals.exitCode();
    if (exit !== undefined) return exit;
    if (!kill || record === undefined || !(error instanceof SupervisorUnreachable)) throw error;
    onEvent({ line: `Killing process ${record.owner.pid}, which runs the project` });
    await killSupervisor(record);
    return 0;
  }
}

/** Kills the QEMUs of VMs that a plan stops, so that it does not wait for guests. */
function killVms({ owner, vms }: ProjectRecord, { steps }: Plan): void {
  const ending = vms
    .filter(({ name }) => steps.some(({ vm }) => vm === name))
    .map(({ instance }) => instance);
  for (const { name, owner: other, qemu } of allRunningVms(process.env))
    if (other.pid === owner.pid && ending.includes(name)) process.kill(qemu.pid, 'SIGKILL');
}

/** Kills a supervisor; its VMs end with it. */
async function killSupervisor({ owner }: ProjectRecord): Promise<void> {
  process.kill(owner.pid, 'SIGKILL');
  await supervisorEnd(owner);
  await sweepRunDirectories(process.env);
}

async function supervisorEnd(owner: ProjectRecord['owner'], signal?: AbortSignal): Promise<void> {
  using late = within(signal, patience('supervisor-end'));
  while (isAlive(owner) && !late.signal.aborted) await delay(INTERVAL);
  if (!late.expired) return;
  throw new TransientError({
    reason: 'host',
    message: `process ${owner.pid}, which ran the project, did not exit within ${patience('supervisor-end') / 1000} s`,
    hint: 'kill it: transient down --kill',
  });
}
