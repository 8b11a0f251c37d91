import { withoutPasswords } from '../options/password.ts';
import { counted } from '../plan/facts.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Plan, PlanDocument, Step, StepId } from '../plan/step.ts';
import { visible } from '../control-characters.ts';
import type { ProjectPlace } from './project-place.ts';
import { factText } from './project-place.ts';

/** Output formats of a plan. */
export type PlanForm = 'tree' | 'json' | 'dot';

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
  const facts = step.detail.map((fact) => factText(fact, place));
  const terminal = plan.foreground.includes(step.id) ? 'owns the terminal' : '';
  const inBrackets = [facts.filter(Boolean).join(', '), terminal].filter(Boolean).join('; ');
  return visible(`${step.title}${inBrackets ? ` (${inBrackets})` : ''}`);
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
