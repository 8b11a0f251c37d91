import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { ShutdownMode } from '../config/shutdown.ts';
import type { ForwardSpec } from '../config/vm-spec.ts';
import { unlessAborted } from '../host/abort.ts';
import type { LogPlace } from '../host/log-place.ts';
import { imagePath, keyPathsOf } from '../host/store-layout.ts';
import { publish } from '../host/vm-registry.ts';
import { trace } from '../host/trace.ts';
import type {
  FindDisks,
  FindSeed,
  GuestOutput,
  Machine,
  MachineEnd,
  OutputOf,
  PlugIn,
  StepContext,
} from '../plan/executor.ts';
import type { BootMachine } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { GuestWatch } from './guest-watch.ts';
import { watchKernel } from './kernel-messages.ts';
import { launchOf } from './launch-facts.ts';
import type { QemuExit } from './machine.ts';
import { Qemu, answerOrEnd, endOf, launch } from './machine.ts';
import { forwardsOf } from './ports.ts';
import type { SerialLog } from './serial-log.ts';
import { logCut, openKeptLog, openPrivateLog } from './serial-log.ts';
import { followSerial, serialLines, serialTail } from './serial.ts';
import { shutDown } from './shutdown.ts';

/** Dependencies of a machine on other parts of the program. */
export interface MachineParts {
  /** Finds the disks of locked VMs. */
  readonly disksOf: FindDisks;
  readonly seedOf: FindSeed;
  /** Finds the sockets of the daemons that serve a machine's shared folders. */
  readonly socketsOf: (vm: string) => readonly string[];
  /** Connects a machine to a network. */
  readonly plugIn: PlugIn;
  /** Output for serial logs that are shown all the time. */
  readonly outputOf: OutputOf;
  /** Warns the user outside of any step. */
  readonly warn: (problem: Problem) => void;
}

/** Host ports by which a machine is reached. */
interface Forwards {
  readonly sshPort: number | undefined;
  readonly forwards: readonly ForwardSpec[];
}

/** One machine from boot to stop, which also cleans up after an incomplete boot. */
export class BootedMachine {
  machine?: Machine;
  readonly #step: BootMachine;
  readonly #directory: string;
  readonly #parts: MachineParts;
  readonly #watch = new GuestWatch();
  /** Stop functions of the machine's observers. */
  readonly #observers: (() => void)[] = [];
  #qemu?: Qemu;
  #serialLog?: SerialLog;

  /** `directory` is private to this machine and removed when it stops. */
  constructor(step: BootMachine, directory: string, parts: MachineParts) {
    this.#step = step;
    this.#directory = directory;
    this.#parts = parts;
  }

  /** Starts QEMU and determines how to reach the guest; returns QEMU's end if that comes first. */
  async boot(context: StepContext): Promise<MachineEnd | undefined> {
    const log = await this.#openLog();
    context.note('Finished preparation. Starting virtual machine');
    const files = filesOf(this.#step, this.#parts.disksOf);
    const started = await this.#launch(files, log, context);
    const toEnd = async (exit: QemuExit): Promise<MachineEnd> =>
      this.#withVm(await endOf(this.#step.machine.program, exit, log));
    if (!(started.qemu instanceof Qemu)) return toEnd(started.qemu);
    const qemu = (this.#qemu = started.qemu);
    const ended = qemu.exited.then(toEnd);
    const forwards = await unlessAborted(answerOrEnd(forwardsIn(qemu, this.#step), ended), context.signal);
    if ('problem' in forwards) return forwards;
    this.#observe(log);
    await this.#publish(qemu, files, log, forwards, { ended, isEmulated: started.isEmulated });
    this.#tell(qemu, forwards, context);
    return undefined;
  }

  /** Stops QEMU and releases the machine's resources; returns how QEMU had ended before, if it had. */
  async stop(ending: ShutdownMode, context: StepContext): Promise<MachineEnd | undefined> {
    this.machine?.hideSerial();
    for (const end of this.#observers) end();
    const ended = this.machine && (await Promise.race([this.machine.ended, Promise.resolve(undefined)]));
    if (this.#qemu) await shutDown(this.#qemu, this.#watch, this.#step.vm, ending, context);
    await this.#serialLog?.close();
    await rm(this.#directory, { recursive: true, force: true });
    return ended;
  }

  async #openLog(): Promise<LogPlace> {
    const { vm, serialLog } = this.#step;
    const onCut = (): void => this.#parts.warn(logCut(vm));
    this.#serialLog =
      serialLog === undefined
        ? await openPrivateLog(this.#directory, onCut)
        : await openKeptLog(serialLog, onCut);
    return this.#serialLog.place;
  }

  async #launch(
    files: readonly string[],
    log: LogPlace,
    context: StepContext,
  ): Promise<{ readonly qemu: Qemu | QemuExit; readonly isEmulated: boolean }> {
    const { vm, networks } = this.#step;
    const { plugIn, seedOf, socketsOf } = this.#parts;
    const cards = networks.map(
      ({ name }) =>
        (channel: Duplex) =>
          plugIn(name, vm, channel),
    );
    const { isEmulated, ...how } = launchOf(this.#step, files, socketsOf(vm), seedOf(vm), log.path, context);
    return { qemu: await launch({ ...how, cards, watch: this.#watch }, context.signal), isEmulated };
  }

  #observe(log: LogPlace): void {
    const { vm, showSerial } = this.#step;
    const { outputOf, warn } = this.#parts;
    if (showSerial === 'always') this.#observers.push(showLogs(log, outputOf(vm)));
    const stop = watchKernel(log, {
      panicked: () => this.#watch.notify('panicked'),
      reported: (bug) => warn(kernelBug(vm, bug)),
    });
    this.#observers.push(stop);
  }

  /** Makes the machine visible to other steps and processes. */
  async #publish(
    qemu: Qemu,
    files: readonly string[],
    log: LogPlace,
    forwards: Forwards,
    state: Pick<Machine, 'ended' | 'isEmulated'>,
  ): Promise<void> {
    const directory = this.#directory;
    const { sshPort } = forwards;
    const seed = this.#parts.seedOf(this.#step.vm);
    const loginKey = seed?.loginKey ?? keyFor(this.#step, files, directory);
    const facts = publicFacts(this.#step, files, this.#step.serialLog ?? log.path, {
      ...forwards,
      loginKey,
      knownHosts: seed?.knownHosts,
    });
    this.machine = {
      ...state,
      pid: qemu.pid,
      sshPort,
      directory,
      loginKey,
      ...(seed ? { seed } : {}),
      serialTail: (extent) => (extent === 'all' ? serialLines(log) : serialTail(log)),
      hideSerial: showBoot(log, this.#step.showSerial),
      network: qemu.networkBy(sshPort),
      closePort: async (sharedLogin) => {
        if (facts.ssh === undefined) return;
        await publish(directory, qemu.pid, { ...facts, ssh: { ...facts.ssh, sharedLogin } });
        await qemu.removeForward(facts.ssh.port);
      },
      ...this.#watch.view,
    };
    await publish(directory, qemu.pid, facts);
  }

  #tell({ pid }: Qemu, { sshPort, forwards }: Forwards, { note }: StepContext): void {
    const { vm } = this.#step;
    for (const forward of forwards) note(`VM ${vm}: ${shown(forward)}`);
    trace('info', () => `VM ${vm}: QEMU is process ${pid}, ssh on port ${sshPort ?? 'none'}`);
  }

  /** Adds the VM's name to the problem; the same one is reported by everyone. */
  #withVm({ problem }: MachineEnd): MachineEnd {
    return { problem: problem && { ...problem, where: { kind: 'vm', vm: this.#step.vm } } };
  }
}

function kernelBug(vm: string, bug: string): Problem {
  return {
    reason: 'guest',
    message: `the guest's kernel reported "${bug}"`,
    where: { kind: 'vm', vm },
    hint: 'see its serial console, kept with --log-dir',
  };
}

/**
 * Shows the serial output on stdout or stderr until the guest is ready, if requested; returns a function that stops it.
 */
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

async function forwardsIn(qemu: Qemu, step: BootMachine): Promise<Forwards> {
  const wanted = forwardsOf(step);
  if (wanted.length === 0) return { sshPort: undefined, forwards: [] };
  const [ssh, ...forwards] = await qemu.forwards(wanted);
  return { sshPort: ssh?.host, forwards: forwards.filter((forward) => forward !== undefined) };
}

function shown({ address, host, guest, protocol }: ForwardSpec): string {
  return `${address}:${host} → ${guest}/${protocol}`;
}

/** Files of a machine's disks: its own, or the images themselves if it keeps no state. */
function filesOf({ vm, disks, images }: BootMachine, disksOf: FindDisks): readonly string[] {
  return disks === 'stored' ? disksOf(vm) : images.map(({ backend, name }) => imagePath(backend, name));
}

/** Path of the login key: a persistent guest keeps its key, which other processes need for its next start. */
function keyFor({ disks }: BootMachine, [first = '']: readonly string[], directory: string): string {
  return disks === 'stored' ? keyPathsOf(dirname(first)).loginKey : join(directory, 'login-key');
}

/** Facts about a machine that other processes can read. */
function publicFacts(
  { instance, vmstore, disks, images, ssh }: BootMachine,
  files: readonly string[],
  serialLog: string,
  {
    sshPort,
    forwards,
    loginKey,
    knownHosts,
  }: Forwards & { readonly loginKey: string; readonly knownHosts: string | undefined },
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
      ? {
          ssh: {
            port: sshPort,
            user: ssh.user,
            program: ssh.program,
            options: ssh.options,
            loginKey,
            knownHosts,
          },
        }
      : {}),
  };
}
