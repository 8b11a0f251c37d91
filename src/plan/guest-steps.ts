import { allFolders } from '../config/shares.ts';
import type { Connection } from '../config/connection.ts';
import type { SshSpec } from '../config/ssh.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import { directCopies } from './copies.ts';
import { waitsFor } from './graph.ts';
import { isOfConnection } from '../config/ssh-options.ts';
import { joinOf } from './networks.ts';
import { shareSteps } from './shares.ts';
import type { AwaitGuest, Step, StepId } from './step.ts';
import { loginFacts } from './facts.ts';
import { newStep } from './new-step.ts';

/** Steps in a running VM, between its boot (or attachment) and its stop. */
export function guestSteps(
  spec: Pick<
    VmSpec,
    'name' | 'connection' | 'ssh' | 'seed' | 'copies' | 'shares' | 'networks' | 'readiness' | 'state'
  >,
  boot: StepId,
  alone: boolean,
): Step[] {
  const { name: vm, connection, ssh } = spec;
  const closes = closesPort(spec);
  const { mount, unmount } = shareSteps(spec, ssh, closes);
  const console =
    connection.kind === 'qemu-console'
      ? [
          newStep({
            id: `${vm}/console`,
            kind: 'machine.console',
            phase: 'user',
            vm,
            title: 'Open console',
            detail: ['of QEMU'],
            needs: [boot],
          }),
        ]
      : [];
  if (ssh === undefined || (connection.kind === 'qemu-console' && mount.length === 0)) return console;
  const closing = closes && mount.length === 0;
  const ready = newStep({
    id: `${vm}/ready`,
    kind: 'guest.ready',
    phase: 'ready',
    vm,
    title: 'Wait for ssh',
    detail: loginFacts(ssh, closing),
    needs: [boot],
    ssh,
    ...exposedBy(spec, ssh),
    closesPort: closing,
    // copies, folders and what joins a network go through a login of the user's ssh program too
    forSession:
      connection.kind !== 'service' ||
      spec.copies.direct ||
      mount.length > 0 ||
      spec.networks.length > 0 ||
      spec.seed?.waitTimeout !== undefined ||
      spec.readiness !== undefined,
  });
  const setUp = cloudInitOf(spec, ssh, ready.id);
  const isUp = setUp.map((step) => step.id);
  const join = joinOf(spec, ssh, isUp.at(-1) ?? ready.id);
  const mounts = mount.map((step) => ({ ...step, needs: [...step.needs, ...isUp] }));
  const first = [...setUp, ...join, ...mounts];
  const given = [...first, ...directCopies(spec, 'in', ssh, first.at(-1)?.id)];
  const before = [...given, ...readyCommandOf(spec, ssh, [ready, ...given])];
  const session = [...console, ...sessionOf(vm, connection, ssh, [ready, ...before], alone)];
  const work = [...before, ...session, ...directCopies(spec, 'out', ssh, session[0]?.id)];
  const inside = [...work, ...unmount(work.map((step) => step.id))];
  return [ready, ...inside, ...(ready.forSession ? [leaveOf(vm, ready.id, inside)] : [])];
}

/**
 * Whether the host port of a guest's ssh can be closed after the login: it was not requested explicitly, the VM has no
 * name and is no service, and its sessions share that login.
 */
function closesPort({ connection, ssh, state }: Pick<VmSpec, 'connection' | 'ssh' | 'state'>): boolean {
  const isSession = connection.kind === 'ssh-command' || connection.kind === 'ssh-console';
  const isThrownAway = state === undefined || state.temporary;
  const sharesLogin = ssh !== undefined && !ssh.options.some(isOfConnection);
  return isSession && isThrownAway && sharesLogin && ssh.port === undefined;
}

/** Host folders that a login with a well-known key can write to. */
function exposedBy({ shares }: Pick<VmSpec, 'shares'>, ssh: SshSpec): Pick<AwaitGuest, 'exposed'> {
  const writable = allFolders(shares).filter((folder) => !folder.readonly);
  if (ssh.wellKnownKeys !== 'python' || writable.length === 0) return {};
  return { exposed: writable.map((folder) => folder.host) };
}

/** Step that waits for the end of cloud-init, which runs at the first boot only. */
function cloudInitOf(
  { name: vm, seed, state }: Pick<VmSpec, 'name' | 'seed' | 'state'>,
  ssh: SshSpec,
  ready: StepId,
): Step[] {
  const timeout = seed?.waitTimeout;
  if (timeout === undefined) return [];
  const isKept = state !== undefined && !state.temporary;
  return [
    newStep({
      id: `${vm}/cloud-init`,
      kind: 'guest.cloud-init',
      phase: 'ready',
      vm,
      title: 'Wait for cloud-init',
      detail: [isKept ? 'at its first boot' : '', `within ${timeout} s`],
      needs: [ready],
      programs: [ssh.program],
      ssh,
      timeout,
    }),
  ];
}

/** Step that waits for the ready-command of a guest. */
function readyCommandOf(
  { name: vm, readiness }: Pick<VmSpec, 'name' | 'readiness'>,
  ssh: SshSpec,
  before: readonly Step[],
): Step[] {
  if (readiness === undefined) return [];
  const needs = before.map((step) => step.id);
  const title = titleOf('Wait for', readiness.command);
  const id = `${vm}/ready-command`;
  return [
    newStep({
      id,
      kind: 'guest.ready-command',
      phase: 'ready',
      vm,
      title,
      detail: [`within ${readiness.timeout} s`],
      needs,
      ssh,
      ...readiness,
    }),
  ];
}

/** Steps of the user's session; a service has none. */
function sessionOf(
  vm: string,
  connection: Connection,
  ssh: SshSpec,
  before: readonly Step[],
  alone: boolean,
): Step[] {
  const needs = before.map((step) => step.id);
  const common = { phase: 'user', vm, needs, programs: [ssh.program], ssh } as const;
  switch (connection.kind) {
    case 'ssh-console':
      return [
        newStep({
          ...common,
          id: `${vm}/console`,
          kind: 'guest.console',
          title: 'Open console',
          detail: ['over ssh'],
        }),
      ];
    case 'ssh-command': {
      const { command } = connection;
      const ownsTerminal = alone || connection.serial;
      const title = titleOf('Run', command);
      return [newStep({ ...common, id: `${vm}/run`, kind: 'guest.run', title, command, ownsTerminal })];
    }
    case 'service':
    case 'qemu-console':
      return [];
  }
}

function leaveOf(vm: string, ready: StepId, work: readonly Step[]): Step {
  return newStep({
    id: `${vm}/leave`,
    kind: 'guest.leave',
    phase: 'stop',
    vm,
    title: 'Log out',
    after: work.map((step) => step.id),
    undoes: ready,
  });
}

function titleOf(what: string, command: string): string {
  return `${what} ${shortCommand(command)}`;
}

/** Title with a command, shortened to one line. */
export function shortCommand(command: string): string {
  const [line = ''] = command.trim().split('\n');
  const shown = line.slice(0, 60).trimEnd();
  return `${shown}${shown.length < command.trim().length ? ' …' : ''}`;
}

/** The user's command or console, which determines the exit code. */
export function userSteps(work: readonly Step[]): StepId[] {
  return work.filter(({ phase }) => phase === 'user').map((step) => step.id);
}

/** Steps after which a VM is ready for its dependents: the last ones before its own session. */
export function readinessIn(work: readonly Step[]): StepId[] {
  const prelude = work.filter(({ phase }) => phase === 'ready');
  const waitedFor = new Set(prelude.flatMap(waitsFor));
  return prelude.map((step) => step.id).filter((id) => !waitedFor.has(id));
}
