import { SUPERVISE } from './daemon/argument.ts';
import type { SupervisedProject } from './daemon/start.ts';
import { observeStreams, writeToStdout } from './host/standard-streams.ts';

declare const TRANSIENT_VERSION: string;

/** Internal argument of completion scripts to list names of one kind. */
const COMPLETE = '__complete';

// modules imported here are loaded even for --version
async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && argv[0] === '--version') {
    writeToStdout(`transient ${TRANSIENT_VERSION}\n`);
    return 0;
  }
  const [first, second] = argv;
  if (first === SUPERVISE && second !== undefined) {
    const [{ superviseProject }, { createExecutors }] = await Promise.all([
      import('./daemon/main.ts'),
      import('./executors.ts'),
    ]);
    return superviseProject(JSON.parse(second) as SupervisedProject, createExecutors);
  }
  if (first === COMPLETE) {
    const { printNames } = await import('./cli/completion/names.ts');
    return printNames(second ?? '');
  }
  const { runCommandLine } = await import('./cli/main.ts');
  return runCommandLine(argv);
}

// a closed reader (head, a closed terminal) is no reason to fail, nor to leave a machine running
const streams = observeStreams((stream) => stream.on('error', () => undefined));

/** Exits once all output has been flushed: exit() drops whatever does not fit into a pipe. */
async function exit(code: number): Promise<never> {
  await Promise.all(streams().map(flushed));
  process.exit(code);
}

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  // called once all earlier data is written, or the reader has gone
  const written = new Promise<void>((resolve) => stream.write('', () => resolve()));
  await Promise.race([written, stalledAfterSignal(stream)]);
}

/** Resolves when, after a signal, the reader has taken nothing for a while. */
async function stalledAfterSignal(stream: NodeJS.WriteStream): Promise<void> {
  const { patience } = await import('./host/deadline.ts');
  // set by a signal (run/signals.ts), which may also arrive while we wait here
  for (let before = Infinity; process.exitCode === undefined || stream.writableLength < before;) {
    before = stream.writableLength;
    await new Promise((resolve) => setTimeout(resolve, patience('reader')));
  }
}

// keeps Node running: waiting on an unreferenced timer must not end the process with 0
setInterval(() => undefined, 2 ** 30);

main(process.argv.slice(2)).then(exit, async (error: unknown) => {
  const [{ Output }, { problemOf }] = await Promise.all([import('./cli/output.ts'), import('./problem.ts')]);
  new Output().fail([problemOf(error)]);
  return exit(1);
});
