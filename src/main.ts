#!/usr/bin/env node
import type {
  CompletionIntent,
  DoctorIntent,
  ImagesIntent,
  InitIntent,
  Intent,
  LogsIntent,
  SshConfigIntent,
  OrderIntent,
  VmsIntent,
  WatchIntent,
} from './cli/command.ts';
import { exitCodeOf, looksOf, reportProblems, reportWarning, type Looks } from './cli/report.ts';
import type { Plan } from './plan/step.ts';
import { SUPERVISE } from './supervise-argument.ts';
import { problemOf, type Problem } from './problem.ts';
import type { RunSignals } from './run/runner.ts';
import { outletOf } from './outlets.ts';
import type { SupervisedProject } from './run/supervise.ts';

declare const TRANSIENT_VERSION: string;

/** How long a run may still take after its second signal, in milliseconds. */
const KILL_GRACE = 5000;

/** What completion scripts ask us by, for names of one kind; nobody types it. */
const COMPLETE = '__complete';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && argv[0] === '--version') return print(`transient ${TRANSIENT_VERSION}\n`);
  const [first, second] = argv;
  if (first === SUPERVISE && second !== undefined) {
    const { beSupervisor } = await import('./supervised.ts');
    return beSupervisor(JSON.parse(second) as SupervisedProject);
  }
  if (first === COMPLETE) return showNames(second ?? '');
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

async function supervise(intent: OrderIntent | WatchIntent, looks: Looks): Promise<number> {
  const signals = listenForSignals();
  const { order, watch } = await import('./supervised.ts');
  return intent.kind === 'order' ? order(intent, signals) : watch(intent, looks, signals);
}

function note(line: string): number {
  process.stderr.write(`${line}\n`);
  return 0;
}

function refuse(problems: readonly Problem[], looks: Looks): number {
  reportProblems(problems, looks);
  return exitCodeOf(problems);
}

async function fulfil(intent: Intent, looks: Looks): Promise<number> {
  if (intent.kind === 'images') return showImages(intent);
  if (intent.kind === 'vms') return showVms(intent);
  if (intent.kind === 'doctor') return showHealth(intent);
  if (intent.kind === 'completion') return showCompletion(intent);
  if (intent.kind === 'ssh-config') return showSshConfig(intent);
  if (intent.kind === 'init') return initialize(intent, looks);
  if (intent.kind === 'logs') return showLog(intent);
  if (intent.kind === 'say') return note(intent.note);
  if (intent.kind === 'order' || intent.kind === 'watch') return supervise(intent, looks);
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

async function showHealth({ json, ...stores }: DoctorIntent): Promise<number> {
  const [{ examine, canRun }, { findingsText }] = await Promise.all([
    import('./doctor/checks.ts'),
    import('./cli/doctor-text.ts'),
  ]);
  const findings = await examine({ environment: process.env, ...stores });
  const able = canRun(findings);
  const { color } = looksOf(process.stdout, process.env);
  print(json ? `${JSON.stringify(findings, undefined, 2)}\n` : findingsText(findings, able, color));
  return able ? 0 : 1;
}

async function showCompletion({ shell }: CompletionIntent): Promise<number> {
  const [{ completionScript }, { COMMANDS }] = await Promise.all([
    import('./cli/completion/script.ts'),
    import('./cli/program.ts'),
  ]);
  return print(completionScript(shell, COMMANDS));
}

/** Whatever goes wrong is nothing to write into a command line that is being typed. */
async function showNames(kind: string): Promise<number> {
  const { namesOf } = await import('./cli/completion/names.ts');
  const names = await namesOf(kind, process.env, process.cwd()).catch(() => []);
  return print(names.map((name) => `${name}\n`).join(''));
}

async function showSshConfig({ hosts }: SshConfigIntent): Promise<number> {
  const { hostBlocks } = await import('./guest/ssh-config.ts');
  return print(await hostBlocks(hosts));
}

async function initialize(intent: InitIntent, looks: Looks): Promise<number> {
  const signals = listenForSignals();
  const { initProject } = await import('./cli/init/project.ts');
  const written = await initProject(intent, signals.abort).catch((error: unknown) => {
    if (signals.abort.aborted) return undefined;
    throw error;
  });
  if (written === undefined) return signals.exitCode() ?? 1;
  return written.ok ? note(written.value) : refuse(written.problems, looks);
}

async function showLog({ path, follow, writer }: LogsIntent): Promise<number> {
  const [{ printLog }, { isAlive }] = await Promise.all([
    import('./cli/log-file.ts'),
    import('./host/process-mark.ts'),
  ]);
  await printLog(
    path,
    (bytes) => void process.stdout.write(bytes),
    follow ? () => isAlive(writer) : undefined,
  );
  return 0;
}

/** Runs the plan; what is loaded here is not needed to read or show one. */
async function perform(plan: Plan, looks: Looks): Promise<number> {
  const signals = listenForSignals();
  const [{ runPlan }, { listrView }, { guestOutputs }, { openRunDirectory }, { wireExecutors }] =
    await Promise.all([
      import('./run/runner.ts'),
      import('./run/listr-view.ts'),
      import('./run/guest-output.ts'),
      import('./host/run-directory.ts'),
      import('./wiring.ts'),
    ]);
  const directory = await openRunDirectory(process.env);
  try {
    const vms = [...new Set(plan.steps.flatMap(({ vm }) => vm ?? []))];
    const outputOf = guestOutputs(() => vms, outletOf(process.stdout), outletOf(process.stderr));
    const wired = wireExecutors({
      runDirectory: directory.path,
      outputOf,
      warn: (problem) => reportWarning(problem, looks),
    });
    // output of guests that arrives beside our own lines would tear a live screen apart
    const view = listrView({ ...looks, live: looks.live && !hasOutput(plan) });
    const result = await runPlan(plan, { ...wired, 'session.end': notSupervised }, signals, view);
    result.said.forEach((line) => print(`${line}\n`));
    reportProblems(result.problems, looks);
    return result.exitCode;
  } finally {
    await directory.remove();
  }
}

function notSupervised(): Promise<undefined> {
  throw new Error('only a supervisor ends what it has been running');
}

/** Whether guests say something beside our own lines. */
function hasOutput({ steps }: Plan): boolean {
  return steps.some(
    (step) =>
      (step.kind === 'guest.run' && !step.ownsTerminal) ||
      (step.kind === 'machine.boot' && step.showSerial === 'always'),
  );
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
