import { ownStreams, writeOut } from './entry/own-streams.ts';
import { SUPERVISE } from './entry/supervise-argument.ts';
import type { SupervisedProject } from './run/supervise.ts';

declare const TRANSIENT_VERSION: string;

/** What completion scripts ask us by, for names of one kind; nobody types it. */
const COMPLETE = '__complete';

// what is imported here is loaded for --version too
async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && argv[0] === '--version') {
    writeOut(`transient ${TRANSIENT_VERSION}\n`);
    return 0;
  }
  const [first, second] = argv;
  if (first === SUPERVISE && second !== undefined) {
    const { beSupervisor } = await import('./entry/supervised.ts');
    return beSupervisor(JSON.parse(second) as SupervisedProject);
  }
  if (first === COMPLETE) {
    const { showNames } = await import('./entry/answers.ts');
    return showNames(second ?? '');
  }
  const { obey } = await import('./entry/obey.ts');
  return obey(argv);
}

// a reader that went away (head, a closed terminal) is no reason to fail, nor to leave a machine running
const streams = ownStreams((stream) => stream.on('error', () => undefined));

/** Ends once all that was said has been read: a pipe takes what it has room for, and exit() drops the rest. */
async function exit(code: number): Promise<never> {
  await Promise.all(streams().map(flushed));
  process.exit(code);
}

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  // called back once all before it is gone, or nobody reads any more
  const written = new Promise<void>((resolve) => stream.write('', () => resolve()));
  await Promise.race([written, stalledAfterSignal(stream)]);
}

/** Once a signal has told us to end, a reader that takes nothing for a while is not waited for. */
async function stalledAfterSignal(stream: NodeJS.WriteStream): Promise<void> {
  const { patience } = await import('./host/deadline.ts');
  // set by a signal (entry/signals.ts), which may also come only now
  for (let before = Infinity; process.exitCode === undefined || stream.writableLength < before;) {
    before = stream.writableLength;
    await new Promise((resolve) => setTimeout(resolve, patience('reader')));
  }
}

// a wait on a timer that does not keep Node running is none that we may end in the middle of, with 0
setInterval(() => undefined, 2 ** 30);

main(process.argv.slice(2)).then(exit, async (error: unknown) => {
  const { reportCrash } = await import('./entry/output.ts');
  return exit(reportCrash(error));
});
