import type { FSWatcher } from 'chokidar';
import { watch } from 'chokidar';
import type { SupervisedVm } from '../plan/project.ts';
import type { Problem, Result } from '../problem.ts';
import type { Request } from './protocol.ts';
import type { Supervisor } from './supervisor.ts';

/** Debounce interval for changes, in milliseconds. */
const QUIET = 300;

/** Changes required by changed files, the files to watch, and messages for the user. */
export interface WatchedPlan {
  readonly request: Request;
  readonly files: readonly string[];
  readonly news: readonly string[];
}

/** Plans the changes for the existing VMs and the files that have changed. */
export type Replan = (
  existing: readonly SupervisedVm[],
  touched: readonly string[],
) => Promise<Result<WatchedPlan>>;

/** Output to the user besides that of the VMs. */
interface WatchOutput {
  note: (line: string) => unknown;
  fail: (problems: readonly Problem[]) => unknown;
}

/**
 * Updates VMs whenever a file changes that they depend on, until aborted. Changes in quick succession are handled together;
 * problems of an invalid file are reported, and running VMs are left as they are.
 */
export async function watchFiles(
  replan: Replan,
  supervisor: Supervisor,
  output: WatchOutput,
  end: AbortSignal,
): Promise<void> {
  const print = (line: string): void => void output.note(line);
  const changes = new Changes();
  try {
    const touched = new Set<string>();
    for (let news: readonly string[] = []; !end.aborted; news = await changes.next(end)) {
      for (const path of news) print(`Changed: ${path}`);
      news.forEach((path) => touched.add(path));
      const planned = await replan(supervisor.vms, [...touched]);
      if (!planned.ok) {
        // the changes are handled once the file is valid
        output.fail(planned.problems);
        continue;
      }
      touched.clear();
      changes.follow(planned.value.files);
      planned.value.news.forEach(print);
      await supervisor.perform(planned.value.request, print, end);
      print('Watching for changes; press ^C to stop');
    }
  } finally {
    await changes.close();
  }
}

/** Watches files and collects those that have changed. */
class Changes {
  readonly #watcher: FSWatcher = watch([], { ignoreInitial: true });
  #followed: readonly string[] = [];
  readonly #touched = new Set<string>();
  #isQuiet = false;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;

  constructor() {
    this.#watcher.on('all', (_event, path) => {
      this.#touched.add(path);
      this.#isQuiet = false;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        this.#isQuiet = true;
        this.#wake();
      }, QUIET);
    });
  }

  follow(files: readonly string[]): void {
    this.#watcher.unwatch(this.#followed.filter((file) => !files.includes(file)));
    this.#watcher.add(files.filter((file) => !this.#followed.includes(file)));
    this.#followed = files;
  }

  /** Waits for changes to settle and returns the changed files; none when aborted. */
  async next(end: AbortSignal): Promise<readonly string[]> {
    if (!this.#isQuiet && !end.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        end.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    const touched = [...this.#touched];
    this.#touched.clear();
    this.#isQuiet = false;
    return touched;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#watcher.close();
  }
}
