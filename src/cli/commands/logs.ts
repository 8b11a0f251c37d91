import { join } from 'node:path';
import { notRunning } from '../../config/stored-problems.ts';
import { SUPERVISOR_LOG, endedProject, findProject } from '../../host/project-registry.ts';
import { runningVms } from '../../host/vm-registry.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import type { CommandDef, Invocation, LogsIntent } from '../command.ts';
import { pathOf } from './project.ts';
import { namedVms } from './short-names.ts';

/** `logs [VM]`: prints the serial output of a running VM, or the output of a detached project. */
export const logs: CommandDef = {
  name: 'logs',
  operands: '[vm]',
  completes: ['running'],
  scope: 'everywhere',
  help: 'print the serial output of a running VM, or the output of the detached project in this directory',
  switches: [{ flags: '-f, --follow', help: 'keep printing new output until it ends' }],
  takesQemuArguments: false,
  intend: async (invocation) => {
    const [name] = invocation.operands;
    return name === undefined ? ofProject(invocation) : ofVm(invocation, name);
  },
};

async function ofVm(invocation: Invocation, name: string): Promise<Result<LogsIntent>> {
  const [vm = { name, vmstore: '' }] = await namedVms(invocation, [name]);
  const running = runningVms(invocation.environment, vm.vmstore);
  const found = running.find((one) => one.name === vm.name);
  if (found?.serialLog === undefined) {
    return failed(
      notRunning(name, 'transient ps lists running VMs; the output of a VM is kept while it runs'),
    );
  }
  return ok(intentFor(invocation, found.serialLog, found.qemu));
}

function ofProject(invocation: Invocation): Result<LogsIntent> {
  const path = pathOf(invocation);
  if (!path.ok) return path;
  const { environment } = invocation;
  const record = findProject(environment, path.value) ?? endedProject(environment, path.value);
  if (record === undefined) {
    return failed({
      reason: 'unknown-reference',
      message: 'no VM of this project is running detached',
      hint: 'transient up --detach starts it; transient logs VM prints the output of one VM',
    });
  }
  return ok(intentFor(invocation, join(record.run, SUPERVISOR_LOG), record.owner));
}

function intentFor({ switches }: Invocation, path: string, writer: LogsIntent['writer']): LogsIntent {
  return { kind: 'logs', path, follow: switches['follow'] === true, writer };
}
