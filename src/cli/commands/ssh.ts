import { setTimeout as delay } from 'node:timers/promises';
import { notRunning } from '../../config/stored-problems.ts';
import { mergeLayers } from '../../config/merge.ts';
import { isOfConnection } from '../../config/ssh-options.ts';
import { sshOf } from '../../config/ssh.ts';
import type { Connection } from '../../config/connection.ts';
import type { RunningVm } from '../../host/vm-registry.ts';
import { runningVms } from '../../host/vm-registry.ts';
import type { Layer } from '../../options/layer.ts';
import type { OptionValues } from '../../options/table.ts';
import { planSsh } from '../../plan/store-commands.ts';
import type { Plan } from '../../plan/step.ts';
import type { Problem, Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import { type CommandDef, type Invocation, PLAN_SWITCH } from '../command.ts';
import { namedVms } from '../vm-names.ts';

/** Poll interval for a VM that is not running yet, in milliseconds. */
const INTERVAL = 200;

/** `ssh NAME`: opens a session in a running VM, which keeps running afterwards. */
export const ssh: CommandDef = {
  name: 'ssh',
  operands: '<name>',
  completes: ['running'],
  scope: 'ssh',
  help: 'open an ssh session in a running VM, or run a command in it',
  switches: [
    { flags: '-w, --wait', help: 'wait for the VM to start, at most --ssh-timeout seconds' },
    PLAN_SWITCH,
  ],
  plan: async (invocation) => {
    const vm = await find(invocation);
    return vm.ok ? planFor(vm.value, invocation.flags) : vm;
  },
};

function planFor(vm: RunningVm, flags: Layer): Result<{ plan: Plan }> {
  if (vm.ssh === undefined) return failed(withoutCard(vm.name));
  const { user, program, options } = vm.ssh;
  // the settings of its owner, overridden by the command line
  const values: Partial<OptionValues> = { 'ssh-user': user, 'ssh-bin-name': program, 'ssh-option': options };
  const merged = mergeLayers([{ ...flags, values }, flags]);
  if (vm.ssh.sharedLogin !== undefined && isAnotherLogin(flags, user)) return failed(portClosed(vm.name));
  const command = merged.values['ssh-command'];
  const connection: Connection =
    command === undefined
      ? { kind: 'ssh-console', serial: false }
      : { kind: 'ssh-command', command, serial: false };
  return ok({ plan: planSsh(vm, vm.ssh, connection, sshOf(merged)) });
}

/** Whether the flags require a different login than the shared one of `user`. */
function isAnotherLogin({ values }: Layer, user: string): boolean {
  const { 'ssh-user': wanted = user, 'ssh-option': options = [] } = values;
  return wanted !== user || options.some(isOfConnection);
}

function portClosed(name: string): Problem {
  return {
    reason: 'conflict',
    message: `the ssh port of VM '${name}' is closed, and the login shared by sessions is for one user only`,
    hint: 'omit --ssh-user, or start the VM with --ssh-port, which keeps the port open',
  };
}

/** Problem for a VM without an ssh network card. */
export function withoutCard(name: string): Problem {
  return {
    reason: 'conflict',
    message: `VM '${name}' runs without an ssh network card`,
    hint: 'start it with --ssh, or add a card with --ssh-port or --ssh-net-driver',
  };
}

async function find(invocation: Invocation): Promise<Result<RunningVm>> {
  const [name = ''] = invocation.operands;
  const [vm = { name, vmstore: '' }] = await namedVms(invocation, [name]);
  const patience = invocation.switches['wait'] === true ? sshOf(mergeLayers([invocation.flags])).timeout : 0;
  const deadline = Date.now() + patience * 1000;
  for (;;) {
    const found = runningVms(invocation.environment, vm.vmstore).find((one) => one.name === vm.name);
    if (found) return ok(found);
    if (Date.now() >= deadline) return failed(notFound(name, patience));
    await delay(INTERVAL);
  }
}

function notFound(name: string, waited: number): Problem {
  return waited > 0
    ? notRunning(name, 'transient ps lists running VMs', ` within ${waited} s`)
    : notRunning(name, 'transient ps lists running VMs; --wait waits for this one');
}
