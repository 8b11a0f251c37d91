import type { Connection } from '../config/connection.ts';
import type { BuilderSpec, CopySpec } from '../config/copies.ts';
import type { SshSpec } from '../config/ssh.ts';
import { inBuilder, offlineCopies } from './copies.ts';
import type { AttachMachine, CommitImage, Plan, ProcessFacts, RemoveVm, Step, StopVm } from './step.ts';
import { vmTitle } from './facts.ts';
import { independent } from './graph.ts';
import { newStep } from './new-step.ts';
import { holding } from './stored-state.ts';
import { guestSteps, userSteps } from './guest-steps.ts';

/** A VM by its name in a store. */
interface StoredVmName {
  readonly name: string;
  readonly vmstore: string;
}

/** Plan of `stop NAME…`: asks the owner of each VM to stop it. */
export function planStop(vms: readonly StoredVmName[], kill: boolean): Plan {
  const together = vms.map(({ name }) => name);
  return independent(vms.map((vm) => stop(vm, { together, kill, ifRunning: false })));
}

/** Plan of `rm NAME…`; with `force` running VMs are stopped first. */
export function planRemoveVms(vms: readonly StoredVmName[], force: boolean): Plan {
  const together = vms.map(({ name }) => name);
  return independent(
    vms.flatMap((vm): Step[] => {
      if (!force) return [remove(vm, [])];
      const first = stop(vm, { together, kill: false, ifRunning: true });
      return [first, remove(vm, [first.id])];
    }),
  );
}

function stop({ name, vmstore }: StoredVmName, how: Pick<StopVm, 'together' | 'kill' | 'ifRunning'>): StopVm {
  const title = vmTitle('Stop', name);
  return newStep({
    id: `stop/${name}`,
    kind: 'vm.stop',
    phase: 'stop',
    title,
    detail: [how.kill ? 'at once' : how.ifRunning ? 'if it runs' : ''],
    name,
    vmstore,
    ...how,
  });
}

function remove({ name, vmstore }: StoredVmName, needs: readonly string[]): RemoveVm {
  const title = vmTitle('Remove', name);
  return newStep({
    id: `remove/${name}`,
    kind: 'vm.remove',
    phase: 'stop',
    title,
    detail: [vmstore],
    needs,
    name,
    vmstore,
  });
}

/**
 * Plan of `commit VM IMAGE`, during which the VM is locked. A guest with a generated login key first gets the keys of its
 * image back.
 */
export function planCommit(
  state: StoredVmName,
  { image, backend }: Pick<CommitImage, 'image' | 'backend'>,
  hasLoginKey: boolean,
  builder: BuilderSpec,
): Plan {
  const vm = state.name;
  const restoring = hasLoginKey ? keysRestored(vm, builder) : [];
  const commit = newStep({
    id: `${vm}/commit`,
    kind: 'image.commit',
    phase: 'stop',
    vm,
    title: `${vmTitle('Commit', vm)} to image ${image}`,
    detail: [backend],
    programs: ['qemu-img'],
    writesTo: { directory: backend, option: 'image-backend' },
    needs: [`${vm}/lock`, ...restoring.map((step) => step.id)],
    image,
    backend,
  });
  const [lock, unlock] = holding({
    vm,
    state,
    purpose: 'commit',
    needs: [],
    until: [...restoring.map((step) => step.id), commit.id],
  });
  return { steps: [lock, ...restoring, commit, unlock], foreground: [], exitFrom: [] };
}

/** Steps that restore the image's own keys on the disk of a VM, using the builder. */
function keysRestored(vm: string, builder: BuilderSpec): Step[] {
  return inBuilder(
    {
      id: `${vm}/builder-keys`,
      phase: 'prepare',
      vm,
      title: "Mount the disk to restore the image's keys",
      needs: [`${vm}/lock`],
      readOnly: false,
      copies: 0,
      builder,
    },
    (booted) => [
      newStep({
        id: `${vm}/keys`,
        kind: 'keys.restore',
        phase: 'prepare',
        vm,
        title: "Restore the image's keys",
        needs: [booted],
      }),
    ],
  );
}

/** Plan of `cp SRC… DST`: copies on the disks of a stopped VM. */
export function planCopies(
  state: StoredVmName,
  direction: 'in' | 'out',
  copies: readonly CopySpec[],
  builder: BuilderSpec,
): Plan {
  const vm = state.name;
  const needs = [`${vm}/lock`];
  const steps = offlineCopies({ vm, direction, copies, builder, timeout: undefined, needs, after: [] });
  const until = steps.map((step) => step.id);
  const [lock, unlock] = holding({ vm, state, purpose: 'copy', needs: [], until });
  return { steps: [lock, ...steps, unlock], foreground: [], exitFrom: [] };
}

/** Plan of `ssh NAME`: a session in a VM run by another process. */
export function planSsh(
  vm: { readonly name: string; readonly qemu: ProcessFacts },
  {
    port,
    loginKey,
    knownHosts,
    sharedLogin,
  }: Pick<AttachMachine, 'port' | 'loginKey' | 'knownHosts' | 'sharedLogin'>,
  connection: Connection,
  ssh: SshSpec,
): Plan {
  const attach = newStep({
    id: `${vm.name}/attach`,
    kind: 'machine.attach',
    phase: 'boot',
    vm: vm.name,
    title: vmTitle('Attach to', vm.name),
    detail: [`process ${vm.qemu.pid}`, `port ${port}`],
    port,
    qemu: vm.qemu,
    loginKey,
    ...(knownHosts === undefined ? {} : { knownHosts }),
    ...(sharedLogin === undefined ? {} : { sharedLogin }),
  });
  const copies = { in: [], out: [], direct: false, builder: {} };
  const shares = { sshfs: [], '9p': [], virtiofs: [], sftpServer: '', unchanged: [] };
  const spec = { name: vm.name, connection, ssh, copies, shares, networks: [] };
  const work = guestSteps(spec, attach.id, true);
  const session = userSteps(work);
  return { steps: [attach, ...work], foreground: session, exitFrom: session };
}
