import { styleText } from 'node:util';
import type { ListrTask, ListrTaskWrapper } from 'listr2';
import { DefaultRenderer, Listr, ListrLogger, ProcessOutput, SilentRenderer } from 'listr2';
import { duration } from '../host/duration.ts';
import type { Act } from '../plan/graph.ts';
import { vmsOf } from '../plan/graph.ts';
import type { Step } from '../plan/step.ts';
import { commandOf } from '../plan/new-step.ts';
import { latestLine } from './latest-line.ts';
import { problemLines } from './problem-lines.ts';
import { ProgressText } from './progress-text.ts';
import type { Outcome, StepListener, View } from './runner.ts';
import { visible } from '../control-characters.ts';
import { handTerminal } from './terminal.ts';

type Perform = Parameters<View>[1];
type Wrapper = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SilentRenderer>;

/** How a run is shown. */
export interface ViewOptions {
  /** Redraws the screen; otherwise every update is a plain line. */
  readonly live: boolean;
  readonly color: boolean;
  /** Sink for plain lines instead of stderr. */
  readonly write?: (line: string) => void;
}

/** A step that takes longer than this is announced in plain lines, in milliseconds. */
const ANNOUNCE_AFTER = 2000;

/** Interval between progress lines of one step, in milliseconds. */
const LINE_INTERVAL = 5000;

/** Update interval for the clock of a running step on a live screen, in milliseconds. */
const TICK = 1000;

/** Shows the acts of a run on stderr: with listr2, or minimally while a step owns the terminal. */
export function listrView(options: ViewOptions): View {
  return async (act, perform) => {
    if (act.mode === 'view') return show(act, perform, options);
    await handTerminal(async () => {
      await Promise.all(act.steps.map((step) => perform(step, bareListener(options))));
    });
  };
}

/** Minimal view while a step owns the terminal: only essential lines are printed. */
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

/** Escapes control characters: notes contain names from guests and servers. */
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
    // listr2's own signal listeners would exit before resources are released
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

/** Groups steps by VM, in order; a step that serves several VMs stands alone. */
function groups(steps: readonly Step[]): Group[] {
  const vms = vmsOf(steps);
  const shared = steps
    .filter(({ vm }) => vm === undefined)
    .map((step) => ({ title: undefined, steps: [step] }));
  const vmBranches = vms.map((vm) => ({ title: vm, steps: steps.filter((step) => step.vm === vm) }));
  return [...shared, ...vmBranches];
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
      let latest = '';
      const draw = (): void => {
        if (begun === undefined) return;
        const spent = Date.now() - begun;
        const parts = [progress.text({ bar: true }), spent >= TICK ? duration(spent) : ''];
        const used = [visible(step.title), ...parts].filter(Boolean).join('  ').length;
        const shown = [...parts, latestLine(latest, used, process.stderr.columns)];
        task.title = [visible(step.title), ...shown.map(dim)].filter(Boolean).join('  ');
      };
      const clock = setInterval(draw, TICK);
      const outcome = await perform(step, {
        begun: () => (begun = Date.now()),
        progress: (report) => {
          if ('latest' in report) latest = report.latest;
          else progress.take(report, Date.now());
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

/** A step shown as plain lines, each with its VM. */
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
      const print = (): void => {
        const spent = begun === undefined ? '' : duration(Date.now() - begun);
        const parts = [`${prefix}${visible(step.title)} … ${spent}`, progress.text({ bar: false })];
        write(parts.filter(Boolean).join('  '));
      };
      let clock: NodeJS.Timeout | undefined;
      const outcome = await perform(step, {
        begun: () => {
          begun = Date.now();
          // the run time of services is not progress
          if (step.phase === 'user' && commandOf(step) === undefined) return;
          clock = setTimeout(() => {
            print();
            clock = setInterval(print, LINE_INTERVAL);
          }, ANNOUNCE_AFTER);
        },
        progress: (report) => {
          if (!('latest' in report)) progress.take(report, Date.now());
        },
        note: noteWith(write),
        warn: (problem) => problemLines(problem, 'warning', color).forEach((line) => write(line)),
      });
      clearInterval(clock);
      // a step that did not start is not shown: the failure it depends on is
      if (outcome.kind !== 'skipped') write(`${prefix}${visible(step.title)}: ${wordFor(outcome, begun)}`);
    },
  };
}

function wordFor(outcome: Outcome, begun: number | undefined): string {
  const word = outcome.kind === 'done' && outcome.exitCode ? `exit code ${outcome.exitCode}` : outcome.kind;
  return begun === undefined ? word : `${word} (${duration(Date.now() - begun)})`;
}
