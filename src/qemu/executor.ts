import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAborted } from '../host/abort.ts';
import { findProgram } from '../host/program.ts';
import type {
  Executors,
  Machine,
  MachineEnd,
  OptionalResult,
  StepContext,
  StepResult,
} from '../plan/executor.ts';
import type {
  AttachMachine,
  BootMachine,
  CheckPorts,
  HoldServices,
  StopMachine,
  WatchConsole,
} from '../plan/step.ts';
import { TransientError } from '../problem.ts';
import { attachedMachine } from './attached-machine.ts';
import type { MachineParts } from './booted-machine.ts';
import { BootedMachine } from './booted-machine.ts';
import { refuseTakenPorts } from './ports.ts';
import { awaitService } from './services.ts';

type QemuKind =
  'machine.ports' | 'machine.boot' | 'machine.attach' | 'machine.console' | 'machine.stop' | 'machine.hold';

/** Machines of this process by VM, and the executors that boot, await and stop them. */
export class Machines {
  readonly executors: Pick<Executors, QemuKind> = {
    'machine.ports': (step) => this.#checkPorts(step),
    'machine.boot': (step, context) => this.#boot(step, context),
    'machine.attach': (step) => this.#attach(step),
    'machine.console': (step, context) => this.#awaitConsole(step, context),
    'machine.stop': (step, context) => this.#stop(step, context),
    'machine.hold': (step, context) => this.#hold(step, context),
  };
  readonly #runDirectory: string;
  readonly #parts: MachineParts;
  readonly #booted = new Map<string, BootedMachine>();
  readonly #attached = new Map<string, Machine>();
  #count = 0;

  /** `runDirectory` is the private directory of this process. */
  constructor(runDirectory: string, parts: MachineParts) {
    this.#runDirectory = runDirectory;
    this.#parts = parts;
  }

  find(vm: string): Machine {
    const machine = this.#booted.get(vm)?.machine ?? this.#attached.get(vm);
    if (machine === undefined) throw new Error(`no machine runs for VM ${vm}`);
    return machine;
  }

  async #checkPorts({ vms }: CheckPorts): Promise<void> {
    for (const { vm, ...machine } of vms) await refuseTakenPorts(vm, machine);
  }

  async #boot(step: BootMachine, context: StepContext): Promise<OptionalResult> {
    await findProgram(step.machine.program);
    await refuseTakenPorts(step.vm, step);
    const machine = new BootedMachine(step, await this.#newDirectory(), this.#parts);
    this.#booted.set(step.vm, machine);
    const end = await machine.boot(context);
    if (end) return afterEnd(end);
  }

  async #attach(step: AttachMachine): Promise<void> {
    this.#attached.set(step.vm, attachedMachine(step, await this.#newDirectory()));
  }

  async #awaitConsole({ vm }: WatchConsole, { signal }: StepContext): Promise<StepResult> {
    return afterEnd(await unlessAborted(this.find(vm).ended, signal));
  }

  async #hold({ vm, vms }: HoldServices, { signal, note }: StepContext): Promise<void> {
    if (vm === undefined) note('All services are ready; press ^C to stop them');
    const ends = vms.map(async (one) => awaitService(one, this.find(one), note));
    await unlessAborted(Promise.all(ends), signal);
  }

  async #stop({ vm, ending }: StopMachine, context: StepContext): Promise<void> {
    const machine = this.#booted.get(vm);
    this.#booted.delete(vm);
    const end = await machine?.stop(ending, context);
    // a waiting step has reported the problem already, and it is reported once; nobody waits for a service
    if (end?.problem) throw new TransientError(end.problem);
  }

  async #newDirectory(): Promise<string> {
    // a short name: the paths of its sockets are limited
    const directory = join(this.#runDirectory, String(++this.#count));
    await mkdir(directory, { mode: 0o700 });
    return directory;
  }
}

/** Result for a machine that ended by itself: steps that need it are skipped, or it failed. */
function afterEnd({ problem }: MachineEnd): { ended: true } {
  if (problem) throw new TransientError(problem);
  return { ended: true };
}
