import { styleText } from 'node:util';
import type { ListrTask, ListrTaskWrapper } from 'listr2';
import { DefaultRenderer, Listr, ListrLogger, ProcessOutput, SilentRenderer } from 'listr2';
import { duration } from '../host/duration.ts';
import type { Act } from '../plan/graph.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Step } from '../plan/step.ts';
import { problemLines } from './problem-lines.ts';
import { ProgressText } from './progress-text.ts';
import type { Outcome, StepListener, View } from './runner.ts';
import { visible } from '../control-characters.ts';
import { handTerminal } from './terminal.ts';

type Perform = Parameters<View>[1];
type Wrapper = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SilentRenderer>;

/** How a run is shown. */
export interface ViewOptions {
  /** Redraw the screen; otherwise every piece of news is one plain line. */
  readonly live: boolean;
  readonly color: boolean;
  /** Where plain lines go instead of stderr. */
  readonly write?: (line: string) => void;
}

/** A step that takes longer than this is announced in plain lines, in milliseconds. */
const ANNOUNCE_AFTER = 2000;

/** Time between two lines about the progress of one step, in milliseconds. */
const LINE_INTERVAL = 5000;

/** Time between two looks at the clock of a running step on a live screen, in milliseconds. */
const TICK = 1000;

/** Shows the acts of a run on stderr: by listr2, or bare while a step of the plan owns the terminal. */
export function listrView(options: ViewOptions): View {
  return async (act, perform) => {
    if (act.mode === 'view') return show(act, perform, options);
    await handTerminal(async () => {
      await Promise.all(act.steps.map((step) => perform(step, bareListener(options))));
    });
  };
}

/** While somebody else owns the terminal only what must be said is said. */
function bareListener({ color, write = writeLine }: ViewOptions): StepListener & { begun: () => void } {
  return {
    begun: () => undefined,
    progress: () => undefined,
    note: noteWith(write),
    warn: (problem) => problemLines(problem, 'warning', color).forEach((line) => write(line)),
  };
}

function writeLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Notes are made with names that others chose. */
function noteWith(write: (line: string) => void): (line: string) => void {
  return (line) => write(visible(line));
}

async function show(act: Act, perform: Perform, options: ViewOptions): Promise<void> {
  const performed = options.live ? liveTask : lineTask;
  const tasks = groups(act.steps).map(
    (group): ListrTask<unknown, typeof DefaultRenderer, typeof SilentRenderer> => {
      const inner = group.steps.map((step) => performed(step, perform, options, group.title));
      const [only] = inner;
      if (group.title === undefined && only !== undefined) return only;
      return {
        title: group.title ?? '',
        task: (_context, task) => task.newListr(inner, { concurrent: false }),
      };
    },
  );
  const listr = new Listr<unknown, typeof DefaultRenderer, typeof SilentRenderer>(tasks, {
    concurrent: true,
    exitOnError: false,
    // the run has its own listeners; listr2's would end the process before anything is given back
    registerSignalListeners: false,
    renderer: DefaultRenderer,
    fallbackRenderer: SilentRenderer,
    fallbackRendererCondition: !options.live,
    silentRendererCondition: !options.live,
    forceTTY: options.live,
    rendererOptions: {
      collapseSubtasks: false,
      collapseSkips: true,
      formatOutput: 'wrap',
      logger: new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stdout) }),
    },
  });
  await listr.run();
}

interface Group {
  readonly title: string | undefined;
  readonly steps: readonly Step[];
}

/** The steps of each VM together, in order; a step that serves several VMs stands alone. */
function groups(steps: readonly Step[]): Group[] {
  const vms = vmsOf(steps);
  const shared = steps
    .filter(({ vm }) => vm === undefined)
    .map((step) => ({ title: undefined, steps: [step] }));
  const own = vms.map((vm) => ({ title: vm, steps: steps.filter((step) => step.vm === vm) }));
  return [...shared, ...own];
}

/** A step as a task on a live screen: its title carries progress and time, its output the lines that stay. */
function liveTask(
  step: Step,
  perform: Perform,
  { color }: ViewOptions,
): ListrTask<unknown, typeof DefaultRenderer, typeof SilentRenderer> {
  const dim = (text: string): string => (color && text ? styleText('dim', text) : text);
  return {
    title: visible(step.title),
    rendererOptions: { persistentOutput: true, outputBar: Number.POSITIVE_INFINITY },
    task: async (_context, task: Wrapper) => {
      const progress = new ProgressText();
      let begun: number | undefined;
      const draw = (): void => {
        if (begun === undefined) return;
        const spent = Date.now() - begun;
        const parts = [progress.text({ bar: true }), spent >= TICK ? duration(spent) : ''];
        task.title = [visible(step.title), ...parts.map(dim)].filter(Boolean).join('  ');
      };
      const clock = setInterval(draw, TICK);
      const outcome = await perform(step, {
        begun: () => (begun = Date.now()),
        progress: (report) => {
          progress.take(report, Date.now());
          draw();
        },
        note: (line) => (task.output = visible(line)),
        warn: (problem) => problemLines(problem, 'warning', color).forEach((line) => (task.output = line)),
      });
      clearInterval(clock);
      task.title = [visible(step.title), dim(begun === undefined ? '' : duration(Date.now() - begun))]
        .filter(Boolean)
        .join('  ');
      settle(task, step, outcome);
    },
  };
}

function settle(task: Wrapper, step: Step, outcome: Outcome): void {
  if (outcome.kind === 'failed') throw new Error(`${visible(step.title)}: failed`);
  if (outcome.kind === 'skipped') task.skip(`${visible(step.title)}: skipped`);
  if (outcome.kind === 'interrupted') task.skip(`${visible(step.title)}: interrupted`);
}

/** A step whose news are plain lines, each with the VM it is about. */
function lineTask(
  step: Step,
  perform: Perform,
  { color, write = writeLine }: ViewOptions,
  group: string | undefined,
): ListrTask<unknown, typeof DefaultRenderer, typeof SilentRenderer> {
  const prefix = group === undefined ? '' : `${group}: `;
  return {
    task: async () => {
      const progress = new ProgressText();
      let begun: number | undefined;
      const tell = (): void => {
        const spent = begun === undefined ? '' : duration(Date.now() - begun);
        const parts = [`${prefix}${visible(step.title)} … ${spent}`, progress.text({ bar: false })];
        write(parts.filter(Boolean).join('  '));
      };
      let clock: NodeJS.Timeout | undefined;
      const outcome = await perform(step, {
        begun: () => {
          begun = Date.now();
          // how long people let services run is no progress
          if (step.kind === 'machine.hold') return;
          clock = setTimeout(() => {
            tell();
            clock = setInterval(tell, LINE_INTERVAL);
          }, ANNOUNCE_AFTER);
        },
        progress: (report) => progress.take(report, Date.now()),
        note: noteWith(write),
        warn: (problem) => problemLines(problem, 'warning', color).forEach((line) => write(line)),
      });
      clearInterval(clock);
      // what did not begin is no news: the failure that it waited for is told
      if (outcome.kind !== 'skipped') write(`${prefix}${visible(step.title)}: ${wordFor(outcome, begun)}`);
    },
  };
}

function wordFor(outcome: Outcome, begun: number | undefined): string {
  const word = outcome.kind === 'done' && outcome.exitCode ? `exit code ${outcome.exitCode}` : outcome.kind;
  return begun === undefined ? word : `${word} (${duration(Date.now() - begun)})`;
}
