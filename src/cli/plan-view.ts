import { withoutPasswords } from '../options/password.ts';
import { SHARE_WAYS } from '../options/shared-folder.ts';
import { allFolders } from '../config/shares.ts';
import type { SharesSpec, SshSpec } from '../config/vm-spec.ts';
import { quotedForPeople } from '../host/shell-quote.ts';
import { OPTION_TABLE } from '../options/table.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Plan, PlanDocument, Step, StepId } from '../plan/step.ts';
import { visible } from '../control-characters.ts';
import type { PlanForm } from './command.ts';
import type { ProjectPlace, ShowPath } from './project-place.ts';
import { outsideMark, shownIn } from './project-place.ts';

/** Formats a plan, with a final newline. With `place`, paths outside the project are marked. */
export function planText(plan: Plan, form: PlanForm, place?: ProjectPlace): string {
  switch (form) {
    case 'json':
      return `${JSON.stringify({ version: 1, ...plan } satisfies PlanDocument, withoutSecrets, 2)}\n`;
    case 'dot':
      return dot(plan, place);
    case 'tree':
      return tree(plan, place);
  }
}

/** JSON replacer that removes passwords from image URLs. */
function withoutSecrets(key: string, value: unknown): unknown {
  return key === 'location' && typeof value === 'string' ? withoutPasswords(value) : value;
}

interface Branch {
  readonly title: string;
  readonly steps: readonly Step[];
}

function tree(plan: Plan, place?: ProjectPlace): string {
  const branches = branchesOf(plan);
  const vms = vmsOf(plan.steps);
  const lines = branches.flatMap((branch, index) =>
    branchLines(branch, plan, index === branches.length - 1, place),
  );
  const width = Math.max(...lines.map(([left]) => left.length));
  const body = lines.map(([left, right]) => (right ? `${left.padEnd(width)}   ${right}` : left));
  const bound =
    plan.starts === undefined ? '' : `, at most ${counted(plan.starts.limit, 'VM')} booting at a time`;
  const heading = `Plan: ${counted(vms.length, 'VM')}, ${counted(plan.steps.length, 'step')}${bound}`;
  return `${[heading, ...body].join('\n')}\n`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Groups steps by VM; steps that serve several VMs stand alone. */
function branchesOf({ steps }: Plan): Branch[] {
  const branches = new Map<string, Step[]>();
  for (const step of steps) {
    const key = step.vm === undefined ? `step ${step.id}` : `vm ${step.vm}`;
    branches.set(key, [...(branches.get(key) ?? []), step]);
  }
  return [...branches].map(([key, steps]) => ({ title: key.replace(/^\w+ /, ''), steps: steps }));
}

/** Pairs of a line in the tree and its edges to steps of other branches. */
function branchLines(
  { title, steps }: Branch,
  plan: Plan,
  last: boolean,
  place?: ProjectPlace,
): [string, string][] {
  const [only] = steps;
  const knot = last ? '└─' : '├─';
  if (only !== undefined && only.vm === undefined)
    return [[`${knot} ${described(only, plan, place)}`, edges(only, plan)]];
  const stem = last ? '  ' : '│ ';
  return [
    [`${knot} ${title}`, ''],
    ...steps.map((step, index): [string, string] => {
      const inner = index === steps.length - 1 ? '└─' : '├─';
      return [`${stem} ${inner} ${described(step, plan, place)}`, edges(step, plan)];
    }),
  ];
}

function described(step: Step, plan: Plan, place?: ProjectPlace): string {
  const facts = factsOf(step, place);
  const terminal = plan.foreground.includes(step.id) ? 'owns the terminal' : '';
  const inBrackets = [facts, terminal].filter(Boolean).join('; ');
  return visible(`${step.title}${inBrackets ? ` (${inBrackets})` : ''}`);
}

function factsOf(step: Step, place?: ProjectPlace): string {
  const shown = shownIn(place);
  switch (step.kind) {
    case 'image.retrieve': {
      const { source } = step.image;
      if (source === undefined) return 'must be in the backend';
      const { protocol, location } = source;
      return `${protocol}: ${location.startsWith('/') ? shown(location) : withoutPasswords(location)}`;
    }
    case 'image.remove':
    case 'image.commit':
      return step.backend;
    case 'vm.create':
      return `${step.images.map(({ name }) => name).join(' + ')}, in ${step.vmstore}`;
    case 'vm.lock':
      return `VM '${step.name}' of ${step.vmstore}`;
    case 'vm.stop':
      return step.kill ? 'at once' : step.ifRunning ? 'if it runs' : '';
    case 'vm.remove':
      return step.vmstore;
    case 'builder.boot': {
      const { kernel, initrd } = step.builder;
      const parts = [kernel && `kernel ${shown(kernel)}`, initrd && `initramfs ${shown(initrd)}`];
      return ['builder VM', step.readOnly ? 'read-only' : '', ...parts].filter(Boolean).join(', ');
    }
    case 'copy.in':
    case 'copy.out':
      return [
        outsideMark(step.host, place),
        step.through.kind === 'ssh' ? 'over ssh' : '',
        step.rsync ? 'rsync' : '',
      ]
        .filter(Boolean)
        .join(', ');
    case 'machine.attach':
      return `process ${step.qemu.pid}, port ${step.port}`;
    case 'machine.boot': {
      const { qemuArgs } = step.machine;
      // the user's own QEMU arguments win
      const memory = lastValue(qemuArgs, '-m') ?? step.machine.memory;
      const smp = lastValue(qemuArgs, '-smp');
      const cpus = smp === undefined ? counted(step.machine.cpus, 'CPU') : `-smp ${smp}`;
      const writes = step.disks === 'stored' ? 'writes kept' : 'writes discarded';
      const ports = step.forwards.map(({ address, host, guest, protocol }) => {
        // other addresses expose the guest to the network
        const from = address === '127.0.0.1' ? '' : `${address}:`;
        return `port ${from}${host || 'any'} → ${guest}/${protocol}`;
      });
      const program =
        step.machine.program === DEFAULT_PROGRAM ? [] : [`program ${shown(step.machine.program)}`];
      const args =
        qemuArgs.length === 0 ? [] : [`QEMU arguments: ${qemuArgs.map(quotedForPeople).join(' ')}`];
      const images = step.images.map(({ name }) => name).join(' + ');
      return [memory, cpus, images, writes, ...ports, ...program, ...args].join(', ');
    }
    case 'guest.ready':
      return [
        `as ${step.ssh.user}`,
        `within ${step.ssh.timeout} s`,
        KEYS[step.ssh.wellKnownKeys],
        step.closesPort === true ? 'then closes its port' : '',
        ...programsOf(step.ssh, shown),
      ]
        .filter(Boolean)
        .join(', ');
    case 'machine.ports':
      return step.vms.map(({ vm }) => vm).join(', ');
    case 'network.open':
      return counted(step.cards.length, 'card');
    case 'network.join':
      return step.networks.map(({ address, prefix }) => `${address}/${prefix}`).join(', ');
    case 'guest.ready-command':
      return `within ${step.timeout} s`;
    case 'machine.stop':
      return step.ending.kind === 'at-once'
        ? 'at once, nothing is kept'
        : `orderly, within ${step.ending.timeout} s`;
    case 'machine.console':
      return 'of QEMU';
    case 'guest.console':
      return 'over ssh';
    case 'share.mount':
      return [foldersText(step.shares, place), step.closesPort === true ? 'then closes the port of ssh' : '']
        .filter(Boolean)
        .join('; ');
    case 'share.serve': {
      const { sshfs, sftpServer } = step.shares;
      return sshfs.length > 0 && sftpServer !== DEFAULT_SFTP_SERVER ? `program ${shown(sftpServer)}` : '';
    }
    case 'keys.restore':
    case 'session.end':
    case 'share.withdraw':
    case 'share.unmount':
    case 'vm.unlock':
    case 'builder.stop':
    case 'guest.run':
    case 'guest.leave':
    case 'machine.hold':
    case 'network.close':
      return '';
  }
}

const DEFAULT_PROGRAM = OPTION_TABLE['qemu-bin-name'].default;
const DEFAULT_SSH = OPTION_TABLE['ssh-bin-name'].default;
const DEFAULT_SFTP_SERVER = OPTION_TABLE['sftp-bin-name'].default;

/** Descriptions of the handling of well-known keys. */
const KEYS = {
  replace: "replaces Vagrant's key",
  restore: "puts Vagrant's key back",
  leave: '',
  python: "keeps Vagrant's key",
} as const;

/** Describes ssh programs and options that differ from the defaults. */
function programsOf({ program, options }: SshSpec, shown: ShowPath): string[] {
  return [
    ...(program === DEFAULT_SSH ? [] : [`program ${shown(program)}`]),
    ...options.map((option) => `ssh option ${quotedForPeople(option)}`),
  ];
}

/** Last value of a QEMU option, which may have one or two dashes. */
function lastValue(args: readonly string[], flag: string): string | undefined {
  const at = args.findLastIndex((argument) => argument === flag || argument === `-${flag}`);
  return at < 0 ? undefined : args[at + 1];
}

function foldersText(shares: SharesSpec, place: ProjectPlace | undefined): string {
  const shown = shownIn(place);
  const alone = allFolders(shares).length === 1;
  const folders = SHARE_WAYS.flatMap((way) =>
    shares[way].map(({ host, guest, readonly }) => {
      // virtiofsd cannot filter setuid bits, and files created by the guest belong to us
      const setuid = way === 'virtiofs' && !readonly ? 'setuid bits let through' : '';
      // the title names a folder that is alone
      const folder = alone ? outsideMark(host, place) : `${shown(host)} at ${guest}`;
      return [folder, way === 'sshfs' ? '' : `by ${way}`, readonly ? 'read-only' : '', setuid]
        .filter(Boolean)
        .join(', ');
    }),
  );
  return folders.join('; ');
}

/** Formats dependencies on steps of other VMs. */
function edges(step: Step, { steps }: Plan): string {
  const vmOf = new Map(steps.map(({ id, vm }) => [id, vm]));
  const foreign = (ids: readonly StepId[]): StepId[] =>
    ids.filter((id) => step.vm === undefined || vmOf.get(id) !== step.vm);
  const needs = foreign(step.needs);
  const after = foreign(step.after);
  return [
    needs.length > 0 ? `needs ${needs.join(', ')}` : '',
    after.length > 0 ? `after ${after.join(', ')}` : '',
  ]
    .filter(Boolean)
    .join('; ');
}

function dot(plan: Plan, place?: ProjectPlace): string {
  const vms = vmsOf(plan.steps);
  const node = (step: Step): string => `${quote(step.id)} [label=${quote(described(step, plan, place))}];`;
  const clusters = vms.map((vm, index) => {
    const nodes = plan.steps.filter((step) => step.vm === vm).map((step) => `    ${node(step)}`);
    return [`  subgraph cluster_${index} {`, `    label=${quote(vm)};`, ...nodes, '  }'].join('\n');
  });
  const shared = plan.steps.filter(({ vm }) => vm === undefined).map((step) => `  ${node(step)}`);
  const arrows = plan.steps.flatMap((step) => [
    ...step.needs.map((id) => `  ${quote(id)} -> ${quote(step.id)};`),
    ...step.after.map((id) => `  ${quote(id)} -> ${quote(step.id)} [style=dashed];`),
    ...(step.undoes === undefined ? [] : [`  ${quote(step.undoes)} -> ${quote(step.id)} [style=dotted];`]),
  ]);
  const head = ['digraph plan {', '  rankdir=LR;', '  node [shape=box, style=rounded];'];
  return `${[...head, ...shared, ...clusters, ...arrows, '}'].join('\n')}\n`;
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
