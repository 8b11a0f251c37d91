#!/usr/bin/env node
import type { ImagesIntent, Intent, VmsIntent } from './cli/command.ts';
import { exitCodeOf, looksOf, reportProblems, reportWarning, type Looks } from './cli/report.ts';
import type { Machine } from './plan/contract.ts';
import type { Plan } from './plan/step.ts';
import { problemOf, type Problem } from './problem.ts';
import type { RunSignals } from './run/runner.ts';

declare const TRANSIENT_VERSION: string;

/** How long a run may still take after its second signal, in milliseconds. */
const KILL_GRACE = 5000;

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && argv[0] === '--version') return print(`transient ${TRANSIENT_VERSION}\n`);
  const looks = looksOf(process.stderr, process.env);
  const { parseCommandLine } = await import('./cli/program.ts');
  const parsed = parseCommandLine({ argv, environment: process.env, workingDirectory: process.cwd() });
  if (!parsed.ok) return refuse(parsed.problems, looks);
  if (parsed.value.kind === 'help') return print(parsed.value.text);
  const { def, invocation, verbose } = parsed.value;
  if (verbose > 0) await traceToStderr(verbose);
  const intent = await def.intend(invocation);
  // a live screen and trace lines would write over each other
  return intent.ok
    ? fulfil(intent.value, { ...looks, live: looks.live && verbose === 0 })
    : refuse(intent.problems, looks);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refuse(problems: readonly Problem[], looks: Looks): number {
  reportProblems(problems, looks);
  return exitCodeOf(problems);
}

async function fulfil(intent: Intent, looks: Looks): Promise<number> {
  if (intent.kind === 'images') return showImages(intent);
  if (intent.kind === 'vms') return showVms(intent);
  const { kind, plan } = intent;
  if (kind === 'perform') return perform(plan, looks);
  const { planText } = await import('./cli/plan-view.ts');
  return print(planText(plan, kind));
}

async function showImages({ backend, json }: ImagesIntent): Promise<number> {
  const [{ imageRows }, { imagesText }] = await Promise.all([
    import('./image/list.ts'),
    import('./cli/report.ts'),
  ]);
  return print(imagesText(await imageRows(backend), json));
}

async function showVms({ vmstore, all, json, columns }: VmsIntent): Promise<number> {
  const [{ vmRows }, { vmsText }] = await Promise.all([
    import('./vmstore/list.ts'),
    import('./cli/report.ts'),
  ]);
  const rows = await vmRows(process.env, vmstore, all);
  return print(vmsText(rows, { json, columns, now: Date.now() }));
}

/** Wires the executors together and runs the plan; what is loaded here is not needed to read or show one. */
async function perform(plan: Plan, looks: Looks): Promise<number> {
  const signals = listenForSignals();
  const [
    { runPlan },
    { listrView },
    { guestOutputs },
    { openRunDirectory },
    { imageExecutors },
    { vmRoom },
    { qemuRoom },
    { guestRoom },
    { builderRoom },
    { copyExecutors },
    { shareRoom },
    { networkRoom },
    { joinExecutor },
  ] = await Promise.all([
    import('./run/runner.ts'),
    import('./run/listr-view.ts'),
    import('./run/guest-output.ts'),
    import('./host/run-directory.ts'),
    import('./image/executor.ts'),
    import('./vmstore/executor.ts'),
    import('./qemu/executor.ts'),
    import('./guest/executor.ts'),
    import('./builder/executor.ts'),
    import('./transfer/executor.ts'),
    import('./share/executor.ts'),
    import('./network/executor.ts'),
    import('./network/join.ts'),
  ]);
  const directory = await openRunDirectory(process.env);
  try {
    const vms = vmRoom(directory.path);
    const names = [...new Set(plan.steps.flatMap(({ vm }) => vm ?? []))];
    const onto =
      (stream: NodeJS.WriteStream) =>
      (bytes: Buffer): void =>
        void stream.write(bytes);
    const outputOf = guestOutputs(
      names,
      onto(process.stdout),
      onto(process.stderr),
      looksOf(process.stdout, process.env).color,
    );
    const find = (vm: string): Machine => qemu.find(vm);
    const shares = shareRoom({
      runDirectory: directory.path,
      find,
      shell: (...where) => guests.shell(...where),
      warn: (problem) => reportWarning(problem, looks),
    });
    const networks = networkRoom();
    const { plugIn } = networks;
    const qemu = qemuRoom(directory.path, { disksOf: vms.disks, socketsOf: shares.socketsOf, plugIn });
    const guests = guestRoom(find, outputOf);
    const builders = builderRoom(directory.path, vms.disks);
    const copies = copyExecutors(async ({ vm, through }, context) =>
      through.kind === 'ssh' ? guests.far(vm, through.ssh, context) : builders.find(vm),
    );
    const joining = joinExecutor(async ({ vm, ssh }, context) =>
      // what copies may not do is nothing to be told of here
      guests.far(vm, ssh, { ...context, note: () => undefined }),
    );
    const executors = {
      ...imageExecutors(vms.disks),
      ...vms.executors,
      ...qemu.executors,
      ...guests.executors,
      ...shares.executors,
      ...builders.executors,
      ...copies,
      ...networks.executors,
      ...joining,
    };
    // output of guests that arrives beside our own lines would tear a live screen apart
    const result = await runPlan(
      plan,
      executors,
      signals,
      listrView({ ...looks, live: looks.live && !hasOutput(plan) }),
    );
    result.said.forEach((line) => print(`${line}\n`));
    reportProblems(result.problems, looks);
    return result.exitCode;
  } finally {
    await directory.remove();
  }
}

/** Whether guests say something beside our own lines. */
function hasOutput({ steps }: Plan): boolean {
  return steps.some((step) => step.kind === 'guest.run' && !step.ownsTerminal);
}

/** The only listeners for signals: the first ends the run in order, the second at once. */
function listenForSignals(): RunSignals {
  const abort = new AbortController();
  const kill = new AbortController();
  let exitCode: number | undefined;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      exitCode ??= code;
      if (abort.signal.aborted) endSoon(kill, exitCode);
      abort.abort();
    });
  }
  return { abort: abort.signal, kill: kill.signal, exitCode: () => exitCode };
}

/** After the second signal nothing may hold us up: what we started dies with us in any case. */
function endSoon(kill: AbortController, exitCode: number): void {
  if (kill.signal.aborted) process.exit(exitCode);
  kill.abort();
  setTimeout(() => process.exit(exitCode), KILL_GRACE).unref();
}

async function traceToStderr(verbose: number): Promise<void> {
  const { onTrace } = await import('./host/trace.ts');
  onTrace(({ level, text }) => {
    if (level === 'debug' && verbose < 2) return;
    process.stderr.write(`${new Date().toISOString()} ${level.toUpperCase()} ${text}\n`);
  });
}

// a reader that went away (head, a closed terminal) is no reason to fail, nor to leave a machine running
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    reportProblems([problemOf(error)], looksOf(process.stderr, process.env));
    process.exit(1);
  },
);
