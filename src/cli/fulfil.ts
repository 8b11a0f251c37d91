import type { Intent } from './command.ts';
import type { Looks } from './report.ts';
import type { Plan } from '../plan/step.ts';
import * as answers from './answers.ts';
import { printNote, print, printProblems } from './output.ts';
import { listenForSignals } from '../run/signals.ts';

/**
 * Executes the intent of a command; returns the exit code. Modules and the capabilities of stderr are loaded only by the
 * intents that need them.
 */
export async function fulfil(intent: Intent, looks: () => Looks): Promise<number> {
  switch (intent.kind) {
    case 'images':
      return answers.showImages(intent);
    case 'vms':
      return answers.showVms(intent);
    case 'doctor':
      return answers.showHealth(intent);
    case 'completion':
      return answers.showCompletion(intent);
    case 'ssh-config':
      return answers.showSshConfig(intent);
    case 'init':
      return answers.initialize(intent, looks());
    case 'logs':
      return answers.showLog(intent);
    case 'say':
      return printNote(intent.note);
    case 'order': {
      const { order } = await import('../daemon/main.ts');
      return (await refuseObstacles(intent.order.plan, looks())) ?? order(intent, listenForSignals());
    }
    case 'watch': {
      const { watch } = await import('../daemon/main.ts');
      // obstacles to the first plan end the command instead of waiting for a change
      const first = await intent.replan([], []);
      if (!first.ok) return printProblems(first.problems, looks());
      return (
        (await refuseObstacles(first.value.order.plan, looks())) ?? watch(intent, looks(), listenForSignals())
      );
    }
    case 'perform': {
      const { perform } = await import('./perform.ts');
      return perform(intent, looks(), listenForSignals());
    }
    case 'tree':
    case 'json':
    case 'dot': {
      const { planText } = await import('./plan-view.ts');
      return print(planText(intent.plan, intent.kind, intent.place));
    }
  }
}

/** Reports obstacles to a plan, if there are any. */
async function refuseObstacles(plan: Plan, looks: Looks): Promise<number | undefined> {
  const { obstaclesTo } = await import('./preflight.ts');
  const obstacles = await obstaclesTo(plan);
  return obstacles.length === 0
    ? undefined
    : printProblems(
        obstacles.map(({ problem }) => problem),
        looks,
      );
}
