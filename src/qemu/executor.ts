import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ending, ForwardSpec } from '../config/vm-spec.ts';
import { unlessAborted } from '../host/abort.ts';
import type { LogPlace } from '../host/log-place.ts';
import { imagePath, loginKeyOf } from '../host/paths.ts';
import { isAlive } from '../host/process-mark.ts';
import { findProgram } from '../host/program.ts';
import { publish } from '../host/running.ts';
import { trace } from '../host/trace.ts';
import type {
  Executor,
  Executors,
  FindDisks,
  GuestOutput,
  Machine,
  MachineEnd,
  OutputOf,
  PlugIn,
  SerialTail,
  StepContext,
} from '../plan/contract.ts';
import type { BootMachine, ProcessFacts } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { GuestWatch } from './guest-watch.ts';
import { watchKernel } from './kernel-messages.ts';
import { launchOf } from './launch-facts.ts';
import type { QemuExit } from './machine.ts';
import { Qemu, answerOrEnd, endOf, launch } from './machine.ts';
import { forwardsOf, refuseTakenPorts } from './ports.ts';
import type { SerialLog } from './serial-log.ts';
import { logCut, openKeptLog, openPrivateLog } from './serial-log.ts';
import { followSerial, serialTail } from './serial.ts';

type QemuKind =
  'machine.ports' | 'machine.boot' | 'machine.attach' | 'machine.console' | 'machine.stop' | 'machine.hold';

/** The executors of QEMU's steps, and the machines that run through them. */
export interface QemuRoom {
  readonly executors: Pick<Executors, QemuKind>;
  readonly find: (vm: string) => Machine;
}

/** A machine that was booted and not yet stopped; `qemu` is missing where QEMU ended at once. */
interface Running {
  readonly directory: string;
  machine?: Machine;
  qemu?: Qemu;
  watch?: GuestWatch;
  /** Stops showing the serial output. */
  endLogs?: () => void;
  /** Stops listening to the guest's kernel. */
  endWatch?: () => void;
  serialLog?: SerialLog;
}

/** What a machine is made of that others have. */
export interface MachineParts {
  /** Finds the disks of VMs that we hold. */
  readonly disksOf: FindDisks;
  /** Finds the sockets of what serves shared folders to a machine. */
  readonly socketsOf: (vm: string) => readonly string[];
  /** Joins a machine to a network. */
  readonly plugIn: PlugIn;
  /** Where the serial output goes that is shown all the time. */
  readonly outputOf: OutputOf;
  /** Tells the user of something that no step is about. */
  readonly warn: (problem: Problem) => void;
}

/** `runDirectory` is the private directory of this process. */
export function qemuRoom(
  runDirectory: string,
  { disksOf, socketsOf, plugIn, outputOf, warn }: MachineParts,
): QemuRoom {
  const running = new Map<string, Running>();
  let count = 0;
  const find = (vm: string): Machine => {
    const machine = running.get(vm)?.machine;
    if (machine === undefined) throw new Error(`no machine runs for VM ${vm}`);
    return machine;
  };

  const newDirectory = async (): Promise<string> => {
    // a short name: sockets lie in it, whose paths are limited
    const directory = join(runDirectory, String(++count));
    await mkdir(directory, { mode: 0o700 });
    return directory;
  };

  const checkPorts: Executor<'machine.ports'> = async ({ vms }) => {
    for (const { vm, ...machine } of vms) await refuseTakenPorts(vm, machine);
    return undefined;
  };

  const boot: Executor<'machine.boot'> = async (step, context) => {
    await findProgram(step.machine.program);
    await refuseTakenPorts(step.vm, step);
    const directory = await newDirectory();
    const entry: Running = { directory };
    running.set(step.vm, entry);
    const onCut = (): void => warn(logCut(step.vm));
    entry.serialLog =
      step.serialLog === undefined
        ? await openPrivateLog(directory, onCut)
        : await openKeptLog(step.serialLog, onCut);
    const log = entry.serialLog.place;
    context.note('Finished preparation. Starting virtual machine');
    const files = filesOf(step, disksOf);
    const loginKey = keyFor(step, files, directory);
    const cards = step.networks.map(
      ({ name }) =>
        (channel: Duplex) =>
          plugIn(name, step.vm, channel),
    );
    const { isEmulated, ...launched } = launchOf(step, files, socketsOf(step.vm), log.path, context);
    const watch = new GuestWatch();
    entry.watch = watch;
    const started = await launch({ ...launched, cards, watch }, context.signal);
    const toEnd = async (exit: QemuExit): Promise<MachineEnd> =>
      withVm(await endOf(step.machine.program, exit, log), step.vm);
    if (!(started instanceof Qemu)) return afterEnd(await toEnd(started));
    entry.qemu = started;
    const ended = started.exited.then(toEnd);
    const made = await unlessAborted(answerOrEnd(forwardsIn(started, step), ended), context.signal);
    if ('problem' in made) return afterEnd(made);
    const { sshPort, forwards } = made;
    if (step.showSerial === 'always') entry.endLogs = showLogs(log, outputOf(step.vm));
    entry.endWatch = watchKernel(log, {
      panicked: () => watch.tell('panicked'),
      reported: (bug) => warn(kernelBug(step.vm, bug)),
    });
    const facts = publicFacts(step, files, step.serialLog ?? log.path, { ...made, loginKey });
    entry.machine = {
      pid: started.pid,
      sshPort,
      directory,
      loginKey,
      ended,
      serialTail: () => serialTail(log),
      hideSerial: showBoot(log, step.showSerial),
      isEmulated,
      network: started.networkBy(sshPort),
      closePort: async (sharedLogin) => {
        if (facts.ssh === undefined) return;
        await publish(directory, started.pid, { ...facts, ssh: { ...facts.ssh, sharedLogin } });
        await started.removeForward(facts.ssh.port);
      },
      ...following(watch),
    };
    await publish(directory, started.pid, facts);
    for (const forward of forwards) context.note(`VM ${step.vm}: ${shown(forward)}`);
    trace(
      'info',
      () => `VM ${step.vm}: QEMU is process ${started.pid}, ssh on port ${entry.machine?.sshPort ?? 'none'}`,
    );
    return undefined;
  };

  const attach: Executor<'machine.attach'> = async ({ vm, port, qemu, loginKey, sharedLogin }) => {
    const directory = await newDirectory();
    const machine: Machine = {
      pid: qemu.pid,
      sshPort: port,
      directory,
      loginKey,
      ...(sharedLogin === undefined ? {} : { sharedLogin }),
      // it is its owner's
      closePort: () => Promise.resolve(),
      ended: endOfOther(qemu),
      serialTail: () => Promise.resolve({ lines: [], silence: 0 }),
      hideSerial: () => undefined,
      isEmulated: true,
      network: { isUp: () => Promise.resolve('unknown'), isAnswered: () => Promise.resolve('unknown') },
      ...following(new GuestWatch()),
    };
    running.set(vm, { directory, machine });
    return undefined;
  };

  const console: Executor<'machine.console'> = async ({ vm }, { signal }) => {
    return afterEnd(await unlessAborted(find(vm).ended, signal));
  };

  const hold: Executor<'machine.hold'> = async ({ vm, vms }, { signal, note }) => {
    if (vm === undefined) note('All services are ready; ^C ends them');
    await unlessAborted(Promise.all(vms.map(async (one) => serviceEnd(one, find(one), note))), signal);
    return undefined;
  };

  const stop: Executor<'machine.stop'> = async ({ vm, ending }, context) => {
    const entry = running.get(vm);
    if (entry === undefined) return undefined;
    running.delete(vm);
    entry.machine?.hideSerial();
    entry.endLogs?.();
    entry.endWatch?.();
    const ended = await endedBefore(entry);
    await endMachine(entry, vm, ending, context);
    await entry.serialLog?.close();
    await rm(entry.directory, { recursive: true, force: true });
    // whoever waited for it has told of it already, and the same problem is told once; nobody waits for a service
    if (ended?.problem) throw new TransientError(ended.problem);
    return undefined;
  };

  return {
    executors: {
      'machine.ports': checkPorts,
      'machine.boot': boot,
      'machine.attach': attach,
      'machine.console': console,
      'machine.stop': stop,
      'machine.hold': hold,
    },
    find,
  };
}

/** Whoever tells of an end, it is the same problem. */
function withVm({ problem }: MachineEnd, vm: string): MachineEnd {
  return { problem: problem && { ...problem, where: { kind: 'vm', vm } } };
}

/** How the rest of us follows what a guest does. */
function following(watch: GuestWatch): Pick<Machine, 'onFate' | 'giveUp' | 'isGivenUp'> {
  return {
    onFate: (listener) => watch.onFate(listener),
    giveUp: () => watch.giveUp(),
    isGivenUp: () => watch.isGivenUp,
  };
}

/** Waits until a service ends by itself; one that panicked is of no use to anybody. */
async function serviceEnd(vm: string, machine: Machine, note: StepContext['note']): Promise<void> {
  let forget = (): void => undefined;
  const panicked = new Promise<'panicked'>((resolve) => {
    forget = machine.onFate((fate) => {
      if (fate === 'panicked') resolve(fate);
      if (fate === 'rebooted') note(`VM ${vm} has rebooted`);
    });
  });
  const end = await Promise.race([machine.ended, panicked]);
  forget();
  if (end === 'panicked') throw new TransientError(servicePanicked(vm, await machine.serialTail()));
  if (end.problem) throw new TransientError(end.problem);
  note(`VM ${vm} has ended by itself`);
}

function servicePanicked(vm: string, { lines }: SerialTail): Problem {
  return {
    reason: 'guest',
    message: 'the guest panicked',
    where: { kind: 'vm', vm },
    details: ['the last lines of its serial console:', ...lines.map((line) => `  ${line}`)],
  };
}

function kernelBug(vm: string, bug: string): Problem {
  return {
    reason: 'guest',
    message: `the guest's kernel reported "${bug}"`,
    where: { kind: 'vm', vm },
    hint: 'its serial console has the rest: keep it with --log-dir',
  };
}

/** Ends QEMU, in order where that makes a difference and the guest still answers. */
async function endMachine(
  { qemu, watch }: Running,
  vm: string,
  ending: Ending,
  { signal, note, warn }: StepContext,
): Promise<void> {
  if (qemu === undefined) return;
  if (ending.kind === 'at-once') return qemu.quit();
  if (watch?.isGivenUp === true) {
    if (!watch.hasPanicked && !qemu.isOver) note(`VM ${vm} does not answer; ending it at once`);
    return qemu.terminate();
  }
  const outcome = await qemu.powerDown(ending.timeout, signal);
  if (outcome === 'too-slow') warn(tooSlow(vm, ending.timeout));
  if (outcome === 'no-answer') note(`VM ${vm} does not answer; it was ended at once`);
}

function tooSlow(vm: string, timeout: number): Problem {
  return {
    reason: 'machine',
    message: `the guest did not shut down within ${timeout} s and was terminated`,
    where: { kind: 'vm', vm },
    hint: 'give it more time with --shutdown-timeout',
  };
}

/** Shows the serial output on our stdout or stderr, where it is to be seen until the guest is ready; returns what ends it. */
function showBoot(log: LogPlace, how: BootMachine['showSerial']): () => void {
  if (how !== 'boot' && how !== 'console') return () => undefined;
  const stream = how === 'console' ? process.stdout : process.stderr;
  return followSerial(log, (bytes) => void stream.write(bytes));
}

function showLogs(log: LogPlace, output: GuestOutput): () => void {
  const end = followSerial(log, output.stdout);
  return () => {
    end();
    output.end();
  };
}

/** A machine that ended by itself: nothing is left to do for what needs it, or it failed. */
function afterEnd({ problem }: MachineEnd): { ended: true } {
  if (problem) throw new TransientError(problem);
  return { ended: true };
}

/** How often the machine of another process is looked at, in milliseconds. */
const LOOK = 200;

/** The end of a machine that is not ours: how it came is for its owner to say. */
async function endOfOther(qemu: ProcessFacts): Promise<MachineEnd> {
  while (isAlive(qemu)) await delay(LOOK, undefined, { ref: false });
  return { problem: undefined };
}

/** How a machine came to its end, if it has. */
async function endedBefore({ machine }: Running): Promise<MachineEnd | undefined> {
  return machine && Promise.race([machine.ended, Promise.resolve(undefined)]);
}

/** The ports of the host by which a machine is reached. */
interface Forwards {
  readonly sshPort: number | undefined;
  readonly forwards: readonly ForwardSpec[];
}

async function forwardsIn(qemu: Qemu, step: BootMachine): Promise<Forwards> {
  const wanted = forwardsOf(step);
  if (wanted.length === 0) return { sshPort: undefined, forwards: [] };
  const [ssh, ...forwards] = await qemu.forwards(wanted);
  return { sshPort: ssh?.host, forwards: forwards.filter((forward) => forward !== undefined) };
}

function shown({ address, host, guest, protocol }: ForwardSpec): string {
  return `${address}:${host} → ${guest}/${protocol}`;
}

/** The files of a machine's disks: its own, or the images themselves where nothing of it is kept. */
function filesOf({ vm, disks, images }: BootMachine, disksOf: FindDisks): readonly string[] {
  return disks === 'stored' ? disksOf(vm) : images.map(({ backend, name }) => imagePath(backend, name));
}

/** A guest that stays keeps the key that it was given, and others of us need it for its next start. */
function keyFor({ disks }: BootMachine, [first = '']: readonly string[], directory: string): string {
  return disks === 'stored' ? loginKeyOf(dirname(first)) : join(directory, 'login-key');
}

/** What other processes are told of a machine. */
function publicFacts(
  { instance, vmstore, disks, images, ssh }: BootMachine,
  files: readonly string[],
  serialLog: string,
  { sshPort, forwards, loginKey }: Forwards & Pick<Machine, 'loginKey'>,
): Parameters<typeof publish>[2] {
  return {
    name: instance,
    since: new Date().toISOString(),
    vmstore,
    stored: disks === 'stored',
    images: images.map((image) => image.name),
    files,
    forwards,
    serialLog,
    ...(ssh && sshPort !== undefined
      ? { ssh: { port: sshPort, user: ssh.user, program: ssh.program, options: ssh.options, loginKey } }
      : {}),
  };
}
