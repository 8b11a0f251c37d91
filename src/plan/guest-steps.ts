import { allFolders } from '../config/shares.ts';
import type { Connection, SshSpec, VmSpec } from '../config/vm-spec.ts';
import { directCopies } from './copies.ts';
import { waitsFor } from './graph.ts';
import { isOfConnection } from '../config/ssh-options.ts';
import { joinOf } from './networks.ts';
import { shareSteps } from './shares.ts';
import type { AwaitGuest, Step, StepId } from './step.ts';

/** Steps in a running VM, between its boot (or attachment) and its stop. */
export function guestSteps(
  spec: Pick<
    VmSpec,
    'name' | 'connection' | 'ssh' | 'copies' | 'shares' | 'networks' | 'readiness' | 'state'
  >,
  boot: StepId,
  alone: boolean,
): Step[] {
  const { name: vm, connection, ssh } = spec;
  const { mount, unmount } = shareSteps(spec, ssh);
  const closing = closesPort(spec) ? { closesPort: true as const } : {};
  const console: Step[] =
    connection.kind === 'qemu-console'
      ? [
          {
            id: `${vm}/console`,
            kind: 'machine.console',
            vm,
            title: 'Open console',
            needs: [boot],
            after: [],
          },
        ]
      : [];
  if (ssh === undefined || (connection.kind === 'qemu-console' && mount.length === 0)) return console;
  const ready: AwaitGuest = {
    id: `${vm}/ready`,
    kind: 'guest.ready',
    vm,
    title: 'Wait for ssh',
    needs: [boot],
    after: [],
    ssh,
    ...exposedBy(spec, ssh),
    ...(mount.length === 0 ? closing : {}),
    // copies, folders and what joins a network go through a login of the user's ssh program too
    forSession:
      connection.kind !== 'service' ||
      spec.copies.direct ||
      mount.length > 0 ||
      spec.networks.length > 0 ||
      spec.readiness !== undefined,
  };
  const join = joinOf(spec, ssh, ready.id);
  const first = [...join, ...mount.map((step) => ({ ...step, ...closing }))];
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

/** Step that waits for the ready-command of a guest. */
function readyCommandOf(
  { name: vm, readiness }: Pick<VmSpec, 'name' | 'readiness'>,
  ssh: SshSpec,
  before: readonly Step[],
): Step[] {
  if (readiness === undefined) return [];
  const needs = before.map((step) => step.id);
  const title = titleOf('Wait for', readiness.command);
  return [
    {
      id: `${vm}/ready-command`,
      kind: 'guest.ready-command',
      vm,
      title,
      needs,
      after: [],
      ssh,
      ...readiness,
    },
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
  const onReady = { vm, needs: before.map((step) => step.id), after: [], ssh };
  switch (connection.kind) {
    case 'ssh-console':
      return [{ ...onReady, id: `${vm}/console`, kind: 'guest.console', title: 'Open console' }];
    case 'ssh-command': {
      const { command } = connection;
      const ownsTerminal = alone || connection.serial;
      const title = titleOf('Run', command);
      return [{ ...onReady, id: `${vm}/run`, kind: 'guest.run', title, command, ownsTerminal }];
    }
    case 'service':
    case 'qemu-console':
      return [];
  }
}

function leaveOf(vm: string, ready: StepId, work: readonly Step[]): Step {
  return {
    id: `${vm}/leave`,
    kind: 'guest.leave',
    vm,
    title: 'Log out',
    needs: [],
    after: work.map((step) => step.id),
    undoes: ready,
  };
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

/** Whether the step is the user's command or console, which determines the exit code. */
export function isUserStep(step: Step): boolean {
  return step.kind === 'guest.run' || step.kind === 'guest.console' || step.kind === 'machine.console';
}

/** Steps after which a VM is ready for its dependents: the last ones before its own session. */
export function readinessIn(work: readonly Step[]): StepId[] {
  const prelude = work.filter(({ kind }) => READINESS_KINDS.includes(kind));
  const waitedFor = new Set(prelude.flatMap(waitsFor));
  return prelude.map((step) => step.id).filter((id) => !waitedFor.has(id));
}

const READINESS_KINDS: readonly Step['kind'][] = [
  'guest.ready',
  'network.join',
  'share.mount',
  'copy.in',
  'guest.ready-command',
];
