import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { planText } from '../../src/cli/plan-view.ts';
import { parseCommandLine } from '../../src/cli/program.ts';
import { planProject } from '../../src/cli/project.ts';
import type { Plan } from '../../src/plan/step.ts';

/** Where the fixtures lie in the plans that are compared. */
const PROJECT = { directory: '/project', workingDirectory: '/project' };

const FIXTURES = join(import.meta.dirname, 'plans');
const names = readdirSync(FIXTURES).flatMap((file) => (file.endsWith('.toml') ? [file.slice(0, -5)] : []));

/** The plan that `transient plan --file NAME.toml` shows. */
async function planOf(name: string): Promise<Plan> {
  const parsed = parseCommandLine({
    // how many boot at a time is this machine's business
    argv: ['plan', '--jobs', '100', '--file', `${name}.toml`],
    environment: { HOME: '/home/user' },
    workingDirectory: FIXTURES,
  });
  if (!parsed.ok || parsed.value.kind !== 'command') throw new Error('the command line was refused');
  const planned = await planProject(parsed.value.invocation);
  if (!planned.ok) throw new Error(JSON.stringify(planned.problems));
  return portable(planned.value.plan);
}

/** The fixture's text; a new one is written once, for its author to read and to check in. */
function expected(file: string, text: string): string {
  const path = join(FIXTURES, file);
  if (!existsSync(path) && process.env['CI'] === undefined) writeFileSync(path, text);
  return readFileSync(path, 'utf8');
}

/** The place of the checkout is not part of a plan, nor is its length of the text's columns. */
function portable(plan: Plan): Plan {
  return JSON.parse(JSON.stringify(plan).replaceAll(FIXTURES, '/project')) as Plan;
}

describe('the text of a plan', () => {
  it.each(names)('%s as a tree', async (name) => {
    // a temporary VM is told from those of other runs
    const text = planText(await planOf(name), 'tree', PROJECT).replaceAll(/(\.run-)\d+/g, '$1PROCESS');
    expect(text).toBe(expected(`${name}.tree`, text));
  });

  it.each(['three-vms', 'qemu-console'])('%s for Graphviz', async (name) => {
    const text = planText(await planOf(name), 'dot', PROJECT);
    expect(text).toBe(expected(`${name}.dot`, text));
  });

  const schema = JSON.parse(readFileSync('schemas/plan.schema.json', 'utf8')) as object;
  const validate = new Ajv({ strict: false }).compile(schema);

  it.each(names)('%s as JSON agrees with the published schema', async (name) => {
    const printed: unknown = JSON.parse(planText(await planOf(name), 'json'));
    expect(validate(printed), JSON.stringify(validate.errors)).toBe(true);
  });

  it('in its JSON form is refused by the schema when a step has lost a field', async () => {
    const printed = JSON.parse(planText(await planOf('one-command'), 'json')) as {
      steps: { needs?: unknown }[];
    };
    delete printed.steps[0]?.needs;
    expect(validate(printed)).toBe(false);
  });
});
