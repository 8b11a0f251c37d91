import type { SshSpec } from '../config/ssh.ts';
import { findProgram } from '../host/program.ts';
import { runInForeground } from '../host/run.ts';
import type {
  Executors,
  FindMachine,
  OptionalResult,
  OutputOf,
  StepContext,
  StepResult,
} from '../plan/executor.ts';
import { shortCommand } from '../plan/guest-steps.ts';
import type {
  AwaitCloudInit,
  AwaitGuest,
  LeaveGuest,
  OpenConsole,
  RunCommand,
  RunReadyCommand,
} from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';
import { GuestGone, endedInOrder, whileAlive } from './fate.ts';
import { offersOf } from './keys.ts';
import type { RunScript } from './login-key.ts';
import { inTurn, loginForSessions, loginOfOurOwn } from './login-attempts.ts';
import { Logins } from './logins.ts';
import { awaitCloudInit } from './cloud-init-end.ts';
import { reportingConsole } from './console-line.ts';
import { awaitReady } from './readiness.ts';
import { awaitReadyCommand } from './ready-command.ts';
import { runBesideOthers, sessionCode, tee } from './session.ts';
import { sshArguments } from './ssh-program.ts';
import type { SshShell } from './ssh-shell.ts';
import { BROKEN } from './ssh-shell.ts';

type GuestKind =
  'guest.ready' | 'guest.cloud-init' | 'guest.ready-command' | 'guest.leave' | 'guest.run' | 'guest.console';

/** Guests of this process: the executors of steps in them, and shells for copies and shared folders. */
export class Guests {
  readonly executors: Pick<Executors, GuestKind> = {
    'guest.ready': async (step, context) => this.#awaitLogin(step, context),
    'guest.cloud-init': async (step, context) => this.#awaitCloudInit(step, context),
    'guest.ready-command': async (step, context) => this.#runReadyCommand(step, context),
    'guest.leave': async (step) => this.#leave(step),
    'guest.run': async (step, context) => this.#run(step, context),
    'guest.console': async (step, context) => this.#openConsole(step, context),
  };
  readonly #find: FindMachine;
  readonly #outputOf: OutputOf;
  readonly #logins: Logins;
  /** VMs for which the note about missing sudo was printed. */
  readonly #informed = new Set<string>();

  constructor(find: FindMachine, outputOf: OutputOf) {
    this.#find = find;
    this.#outputOf = outputOf;
    this.#logins = new Logins(find);
  }

  /** A shell in a guest for copies. */
  async guestShell(vm: string, ssh: SshSpec, { signal, note }: StepContext): Promise<GuestShell> {
    const opened = await this.#logins.shell(vm, ssh, signal);
    if (!opened.isRoot && !this.#informed.has(vm)) {
      this.#informed.add(vm);
      note(withOwnRights(ssh.user));
    }
    return opened;
  }

  /** A shell for shared folders: with a `number`, on a connection for those, which carries as many as it can. */
  async mountShell(vm: string, ssh: SshSpec, signal: AbortSignal, number?: number): Promise<SshShell> {
    return number === undefined
      ? this.#logins.shell(vm, ssh, signal)
      : this.#logins.carrier(vm, ssh, number, signal);
  }

  /** Closes the ssh port to further logins. */
  async closePort(vm: string, signal: AbortSignal): Promise<void> {
    return this.#logins.closePort(vm, signal);
  }

  async #awaitLogin(step: AwaitGuest, context: StepContext): Promise<OptionalResult> {
    const { vm, ssh, forSession, exposed, closesPort } = step;
    const machine = this.#find(vm);
    // fails now, not after the wait
    if (forSession) await findProgram(ssh.program);
    if (machine.sharedLogin !== undefined) return;
    const ended = await this.#logIn(step, context);
    if (ended) return ended;
    if (closesPort) await this.#logins.closePort(vm, context.signal);
    if (exposed !== undefined) context.warn(keptForPython(vm, exposed));
    machine.hideSerial();
  }

  /** Logs in and replaces well-known keys; returns a result if the machine ended before. */
  async #logIn({ vm, ssh, forSession }: AwaitGuest, context: StepContext): Promise<OptionalResult> {
    const machine = this.#find(vm);
    const target = await this.#logins.target(vm, ssh);
    const nextOffer = inTurn(machine.seed === undefined ? await offersOf(process.env) : ['vm']);
    const treatKeys = async (run: RunScript, signal: AbortSignal): Promise<void> =>
      this.#logins.treatKeys(vm, ssh, run, { ...context, signal });
    const { controlPath } = target;
    const isShared = forSession && controlPath !== undefined;
    const tryLogin = isShared
      ? loginForSessions({ ...target, controlPath }, machine, nextOffer, (...login) =>
          this.#logins.keep(vm, ...login),
        )
      : loginOfOurOwn(target, machine, nextOffer, treatKeys);
    const end = await whileAlive(machine, 'before it could be logged in to', context, async (signal) =>
      reportingConsole(machine, context, async () => awaitReady(machine, ssh, tryLogin, signal)),
    );
    if (end?.problem) throw new TransientError(end.problem);
    if (end) return { ended: true };
    await machine.seed?.applied();
    if (!isShared) return;
    const run = await this.#logins.byUser(vm, ssh);
    const treated = await whileAlive(machine, 'right after it was logged in to', context, async (signal) =>
      treatKeys(run, signal),
    ).catch(endedInOrder);
    return treated?.ended ? treated : undefined;
  }

  async #awaitCloudInit(step: AwaitCloudInit, context: StepContext): Promise<void> {
    const machine = this.#find(step.vm);
    // set up at an earlier boot
    if (machine.seed?.image === undefined) return;
    const open = async (until: AbortSignal): Promise<SshShell> =>
      this.#logins.shell(step.vm, step.ssh, until);
    await reportingConsole(machine, context, async () => awaitCloudInit(step, machine, open, context));
  }

  async #runReadyCommand(step: RunReadyCommand, { signal }: StepContext): Promise<void> {
    await awaitReadyCommand(step, async (until) => this.#logins.shell(step.vm, step.ssh, until), signal);
  }

  async #leave({ vm }: LeaveGuest): Promise<void> {
    this.#informed.delete(vm);
    await this.#logins.close(vm);
  }

  async #run(
    { vm, ssh, command: line, ownsTerminal }: RunCommand,
    context: StepContext,
  ): Promise<StepResult> {
    const { heard } = context;
    const machine = this.#find(vm);
    const target = await this.#logins.target(vm, ssh);
    const args = [...sshArguments(target, 'user'), '--', line];
    return whileAlive(machine, `while "${shortCommand(line)}" ran`, context, async (signal) => {
      const exit = ownsTerminal
        ? await runInForeground(ssh.program, args, signal, heard)
        : await runBesideOthers(ssh.program, args, tee(heard, this.#outputOf(vm)), signal);
      const exitCode = await sessionCode(exit, target, machine);
      if (exitCode === BROKEN && line.length > LONG_COMMAND) throw new TransientError(tooLong(line));
      return { exitCode };
    });
  }

  async #openConsole({ vm, ssh }: OpenConsole, context: StepContext): Promise<StepResult> {
    const machine = this.#find(vm);
    const target = await this.#logins.target(vm, ssh);
    try {
      return await whileAlive(machine, 'while its console was open', context, async (signal) => {
        const exit = await runInForeground(ssh.program, sshArguments(target, 'user'), signal);
        return { exitCode: await sessionCode(exit, target, machine) };
      });
    } catch (error) {
      // the user asked for the power-off
      if (error instanceof GuestGone && error.how === 'powered off') return { ended: true };
      throw error;
    }
  }
}

function withOwnRights(user: string): string {
  return `User ${user} may not use sudo in the guest: files are copied with the permissions of that user`;
}

function keptForPython(vm: string, exposed: readonly string[]): Problem {
  return {
    reason: 'guest',
    message: `the VM keeps Vagrant's public key, so that transient 0.25 can still start it: any user of this host can log in to it, and write to ${exposed.join(', ')}`,
    where: { kind: 'vm', vm },
    hint: 'recreate the VM to give it its own key, or share the folder read-only',
  };
}

/** Maximum command length that all servers accept, in bytes (dropbear: 9,000); ssh reports only 255 for longer ones. */
const LONG_COMMAND = 8192;

function tooLong(line: string): Problem {
  return {
    reason: 'guest',
    message: `the guest's ssh server did not run a command of ${Buffer.byteLength(line)} bytes`,
    hint: "it may exceed the server's limit: put it in a script, copy that in, and run it",
  };
}
