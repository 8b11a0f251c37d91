import { join } from 'node:path';
import { notRunning } from '../../config/stored-problems.ts';
import { SUPERVISOR_LOG, endedProject, findProject } from '../../daemon/registry.ts';
import { runningVms } from '../../host/vm-registry.ts';
import type { ProcessFacts } from '../../plan/step.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import type { CommandDef, Invocation } from '../command.ts';
import { pathOf } from '../project-file.ts';
import { namedVms } from '../vm-names.ts';

/** `logs [VM]`: prints the serial output of a running VM, or the output of a detached project. */
export const logs: CommandDef = {
  name: 'logs',
  operands: '[vm]',
  completes: ['running'],
  scope: 'everywhere',
  help: 'print the serial output of a running VM, or the output of the detached project in this directory',
  switches: [{ flags: '-f, --follow', help: 'keep printing new output until it ends' }],
  run: async (invocation) => {
    const [name] = invocation.operands;
    const log = name === undefined ? ofProject(invocation) : await ofVm(invocation, name);
    if (!log.ok) return log;
    const { path, writer } = log.value;
    const [{ printLog }, { isAlive }] = await Promise.all([
      import('../log-file.ts'),
      import('../../host/process-identity.ts'),
    ]);
    const goesOn = invocation.switches['follow'] === true ? () => isAlive(writer) : undefined;
    await printLog(path, (bytes) => void process.stdout.write(bytes), goesOn);
    return ok(0);
  },
};

/** A log, and the process that writes it. */
interface Log {
  readonly path: string;
  readonly writer: ProcessFacts;
}

async function ofVm(invocation: Invocation, name: string): Promise<Result<Log>> {
  const [vm = { name, vmstore: '' }] = await namedVms(invocation, [name]);
  const running = runningVms(invocation.environment, vm.vmstore);
  const found = running.find((one) => one.name === vm.name);
  if (found?.serialLog === undefined) {
    return failed(
      notRunning(name, 'transient ps lists running VMs; the output of a VM is kept while it runs'),
    );
  }
  return ok({ path: found.serialLog, writer: found.qemu });
}

function ofProject(invocation: Invocation): Result<Log> {
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
  return ok({ path: join(record.run, SUPERVISOR_LOG), writer: record.owner });
}
