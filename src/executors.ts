import { isSupervisor, stopSupervised } from './daemon/vm-stop.ts';
import { Builders } from './builder/executor.ts';
import { Guests } from './guest/executor.ts';
import { endedInOrder, whileAlive } from './guest/fate.ts';
import { keyExecutor } from './guest/login-key.ts';
import { imageExecutors } from './image/executor.ts';
import { joinExecutor } from './network/join.ts';
import { OpenNetworks } from './network/executor.ts';
import type { CreateExecutors, Executor, Executors, Machine } from './plan/executor.ts';
import type { StepKind } from './plan/step.ts';
import { Machines } from './qemu/executor.ts';
import { Seeds } from './seed/executor.ts';
import { Shares } from './share/executor.ts';
import { copyExecutors } from './transfer/executor.ts';
import { StoredVms } from './vmstore/executor.ts';
import { tellingOfFullDisks } from './run/full-disk.ts';

/** Creates an executor for each kind of step, with its dependencies. */
export const createExecutors: CreateExecutors = ({ runDirectory, outputOf, warn }) => {
  const vms = new StoredVms(runDirectory, { has: isSupervisor, stop: stopSupervised });
  const find = (vm: string): Machine => machines.find(vm);
  const shares = new Shares({
    runDirectory,
    find,
    shell: async (...where) => guests.mountShell(...where),
    closePort: async (...where) => guests.closePort(...where),
    warn,
  });
  const seeds = new Seeds(runDirectory, vms.disks);
  const networks = new OpenNetworks();
  const machines = new Machines(runDirectory, {
    disksOf: vms.disks,
    seedOf: seeds.find,
    socketsOf: shares.socketsOf,
    plugIn: networks.plugIn,
    outputOf,
    warn,
  });
  const guests = new Guests(find, outputOf);
  const builders = new Builders(runDirectory, vms.disks);
  const executors = {
    'session.end': notSupervised,
    ...imageExecutors(vms.disks),
    ...vms.executors,
    ...seeds.executors,
    ...machines.executors,
    ...guests.executors,
    ...shares.executors,
    ...builders.executors,
    ...networks.executors,
    ...keyExecutor((vm) => builders.find(vm)),
    ...inLiveGuests(find, {
      'guest.cloud-init': guests.executors['guest.cloud-init'],
      'guest.ready-command': guests.executors['guest.ready-command'],
      'share.mount': shares.executors['share.mount'],
      ...copyExecutors(runDirectory, async ({ vm, through }, context) =>
        through.kind === 'ssh' ? guests.guestShell(vm, through.ssh, context) : builders.find(vm),
      ),
      ...joinExecutor(async ({ vm, ssh }, context) =>
        // notes about restrictions of copies are irrelevant here
        guests.guestShell(vm, ssh, { ...context, note: () => undefined }),
      ),
    }),
  };
  return tellingOfFullDisks(executors, runDirectory);
};

function notSupervised(): Promise<undefined> {
  throw new Error('only a supervisor ends what it has been running');
}

/** Wraps executors that work in a running guest so that they end when the guest does. */
function inLiveGuests<K extends StepKind>(
  find: (vm: string) => Machine,
  executors: Pick<Executors, K>,
): Pick<Executors, K> {
  const wrapped = Object.entries(executors).map(([kind, executor]) => {
    const execute = executor as Executor<StepKind>;
    const live: Executor<StepKind> = async (step, context) => {
      const isOffline = 'through' in step && step.through.kind === 'builder';
      if (isOffline || step.vm === undefined) return execute(step, context);
      return whileAlive(find(step.vm), `during "${step.title}"`, context, async (signal) =>
        execute(step, { ...context, signal }),
      ).catch(endedInOrder);
    };
    return [kind, live];
  });
  return Object.fromEntries(wrapped) as Pick<Executors, K>;
}
