import type { FSWatcher } from 'chokidar';
import { watch } from 'chokidar';
import type { Problem } from '../problem.ts';
import type { Supervisor } from '../run/supervisor.ts';
import type { WatchIntent } from './command.ts';

/** How long no further change must come before what has changed is taken up, in milliseconds. */
const QUIET = 300;

/** What is told to the user beside what the VMs say. */
export interface Telling {
  readonly say: (line: string) => void;
  readonly refuse: (problems: readonly Problem[]) => void;
}

/**
 * Brings VMs up to date whenever a file changes that they depend on, until it is told to end. Changes that come in quick
 * succession are taken up together; a file that is broken is told of, and what runs stays as it is.
 */
export async function watchProject(
  { replan }: WatchIntent,
  supervisor: Supervisor,
  { say, refuse }: Telling,
  end: AbortSignal,
): Promise<void> {
  const changes = new Changes();
  try {
    const touched = new Set<string>();
    for (let news: readonly string[] = []; !end.aborted; news = await changes.next(end)) {
      for (const path of news) say(`Changed: ${path}`);
      news.forEach((path) => touched.add(path));
      const planned = await replan(supervisor.vms, [...touched]);
      if (!planned.ok) {
        // what has changed is taken up once the file is whole
        refuse(planned.problems);
        continue;
      }
      touched.clear();
      changes.follow(planned.value.files);
      planned.value.news.forEach(say);
      await supervisor.perform(planned.value.order, say, end);
      say('Watching for changes; ^C ends');
    }
  } finally {
    await changes.close();
  }
}

/** Files that are watched, and which of them have changed. */
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

  /** The files that have changed since the last time, once there are any and it is quiet; none where it is to end. */
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
