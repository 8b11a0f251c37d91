import { describe, expect, test } from 'vitest';
import type { VmSpec } from '../../src/config/vm-spec.ts';
import { acts } from '../../src/plan/graph.ts';
import type { Dependency } from '../../src/config/vm-spec.ts';
import { planSession } from '../../src/plan/session.ts';
import type { Step } from '../../src/plan/step.ts';
import { command, QEMU_CONSOLE, SERVICE, SSH_CONSOLE, SSH_WITH_SERIAL, vm } from './specs.ts';

/** Another VM that must be ready. */
function on(vm: string): Dependency {
  return { vm, until: 'ready' };
}

describe('one VM', () => {
  test.for([
    [
      "QEMU's console: the terminal is QEMU's from the boot on",
      QEMU_CONSOLE,
      ['view: image/test', 'bare: a/boot a/console', 'view: a/stop'],
    ],
    [
      'an ssh console: the terminal is lent once the guest is ready',
      SSH_CONSOLE,
      ['view: image/test a/boot a/ready', 'bare: a/console', 'view: a/leave a/stop'],
    ],
    [
      'an ssh console with serial output: it is shown from the boot on',
      SSH_WITH_SERIAL,
      ['view: image/test', 'bare: a/boot a/ready a/console', 'view: a/leave a/stop'],
    ],
    [
      'a command: stdin and stdout are its own',
      command(),
      ['view: image/test a/boot a/ready', 'bare: a/run', 'view: a/leave a/stop'],
    ],
    [
      'a command with serial output',
      command('true', true),
      ['view: image/test', 'bare: a/boot a/ready a/run', 'view: a/leave a/stop'],
    ],
    ['a service: it runs until we are interrupted', SERVICE, ['view: image/test a/boot a/ready hold a/stop']],
  ] as const)('%s', ([, connection, expected]) => {
    expect(actsOf(vm('a', connection))).toEqual(expected);
  });

  test('each step knows its VM, its image and its machine', () => {
    const plan = planSession([vm('a', command('uname -a'), { instance: 'work-a' })]);
    expect(plan.steps.find(({ id }) => id === 'a/boot')).toMatchObject({
      vm: 'a',
      instance: 'work-a',
      needs: ['image/test'],
      console: false,
      showSerial: 'never',
    });
    expect(plan.exitFrom).toEqual(['a/run']);
  });

  test('the stop undoes the boot and waits for all that is done in between', () => {
    const { steps } = planSession([vm('a', command())]);
    expect(byId(steps, 'a/stop')).toMatchObject({
      undoes: 'a/boot',
      needs: [],
      after: ['a/ready', 'a/run', 'a/leave'],
    });
  });

  test('a long command is shortened in the title, not in what is run', () => {
    const line = `echo ${'x'.repeat(100)}\necho second`;
    const run = byId(planSession([vm('a', command(line))]).steps, 'a/run');
    expect(run).toMatchObject({ command: line });
    expect(run.title.length).toBeLessThan(75);
    expect(run.title).not.toContain('\n');
  });

  test('a plan is inert: it survives JSON', () => {
    const plan = planSession([vm('a', command()), vm('b', SERVICE)]);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });
});

describe('images', () => {
  test('one that several VMs need is retrieved once', () => {
    const { steps } = planSession([vm('a', command()), vm('b', command())]);
    expect(steps.filter(({ kind }) => kind === 'image.retrieve')).toHaveLength(1);
  });

  test('a VM waits for all of its own', () => {
    const images = ['test', 'data', 'test'].map((name) => ({ name, backend: '/backend' }));
    const [first, ...others] = images;
    if (first === undefined) throw new Error('there are images');
    const { steps } = planSession([vm('a', command(), { images: [first, ...others] })]);
    expect(byId(steps, 'a/boot').needs).toEqual(['image/test', 'image/data']);
  });

  test('images of the same name in different backends are different', () => {
    const { steps } = planSession([
      vm('a', command(), { images: [{ name: 'test', backend: '/one' }] }),
      vm('b', command(), { images: [{ name: 'test', backend: '/other' }] }),
    ]);
    expect(steps.filter(({ kind }) => kind === 'image.retrieve')).toHaveLength(2);
  });
});

describe('several VMs', () => {
  test('commands run beside each other, without the terminal', () => {
    const plan = planSession([vm('a', command()), vm('b', command())]);
    expect(plan.foreground).toEqual([]);
    expect(plan.exitFrom).toEqual(['a/run', 'b/run']);
    expect(byId(plan.steps, 'a/run')).toMatchObject({ ownsTerminal: false });
  });

  test('a console has the terminal while the services of the others run', () => {
    expect(actsOf(vm('db', SERVICE), vm('a', SSH_CONSOLE))).toEqual([
      'view: image/test db/boot db/ready a/boot a/ready',
      'bare: a/console',
      'view: db/stop a/leave a/stop',
    ]);
  });

  test('a console does not wait for the commands of the others, which run beside it', () => {
    expect(actsOf(vm('b', command()), vm('a', SSH_CONSOLE))).toEqual([
      'view: image/test b/boot b/ready a/boot a/ready',
      'bare: b/run b/leave b/stop a/console',
      'view: a/leave a/stop',
    ]);
  });

  test('also where its own VM depends on theirs: that must be ready, not done', () => {
    const [before = ''] = actsOf(vm('b', command()), vm('a', SSH_CONSOLE, { dependsOn: [on('b')] }));
    expect(before).toContain('b/ready');
    expect(before).not.toContain('b/run');
  });

  test('services alone run until we are interrupted', () => {
    const plan = planSession([vm('a', SERVICE), vm('b', SERVICE)]);
    expect(byId(plan.steps, 'hold')).toMatchObject({ needs: ['a/ready', 'b/ready'], vms: ['a', 'b'] });
    expect(byId(plan.steps, 'a/stop').after).toContain('hold');
    expect(plan.exitFrom).toEqual([]);
  });

  test('with a command there is nothing to hold', () => {
    const { steps } = planSession([vm('a', SERVICE), vm('b', command())]);
    expect(steps.map(({ id }) => id)).not.toContain('hold');
  });

  test('a service stops after the work of those that do not name it, too', () => {
    const { steps } = planSession([vm('db', SERVICE), vm('job', command())]);
    expect(byId(steps, 'db/stop').after).toEqual(['db/ready', 'job/run']);
  });

  test('a VM with a command of its own stops when that is over', () => {
    const { steps } = planSession([vm('a', command()), vm('b', command())]);
    expect(byId(steps, 'a/stop').after).toEqual(['a/ready', 'a/run', 'a/leave']);
  });
});

describe('dependencies', () => {
  const chain = [
    vm('web', command(), { dependsOn: [on('app')] }),
    vm('app', SERVICE, { dependsOn: [on('db')] }),
    vm('db', SERVICE),
  ];

  test('a VM boots when those that it depends on are ready', () => {
    const { steps } = planSession(chain);
    expect(byId(steps, 'web/boot').needs).toEqual(['image/test', 'app/ready']);
    expect(byId(steps, 'app/boot').needs).toEqual(['image/test', 'db/ready']);
  });

  test('and stops after those that depend on it', () => {
    const { steps } = planSession(chain);
    expect(byId(steps, 'db/stop').after).toContain('app/stop');
    expect(byId(steps, 'app/stop').after).toContain('web/stop');
  });

  test('also when it has a command of its own', () => {
    const { steps } = planSession([vm('a', command(), { dependsOn: [on('b')] }), vm('b', command())]);
    expect(byId(steps, 'b/stop').after).toContain('a/stop');
  });

  test('the order of the plan is one in which it can be done', () => {
    const ids = planSession(chain).steps.map(({ id }) => id);
    const order = ['db/boot', 'db/ready', 'app/boot', 'app/ready', 'web/boot', 'web/run'];
    const places = [...order, 'web/stop', 'app/stop', 'db/stop'].map((id) => ids.indexOf(id));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  test('a console waits for what its VM depends on', () => {
    expect(actsOf(vm('a', SSH_CONSOLE, { dependsOn: [on('db')] }), vm('db', SERVICE))).toEqual([
      'view: image/test db/boot db/ready a/boot a/ready',
      'bare: a/console',
      'view: a/leave a/stop db/stop',
    ]);
  });
});

function actsOf(...specs: readonly VmSpec[]): string[] {
  return acts(planSession(specs)).map(({ mode, steps }) => `${mode}: ${steps.map(({ id }) => id).join(' ')}`);
}

function byId(steps: readonly Step[], id: string): Step {
  const found = steps.find((step) => step.id === id);
  if (found === undefined) throw new Error(`the plan has no step ${id}`);
  return found;
}
