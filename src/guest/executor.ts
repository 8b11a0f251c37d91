import { setTimeout as delay } from 'node:timers/promises';
import type { SshSpec } from '../config/vm-spec.ts';
import { startChild } from '../host/child.ts';
import { patience } from '../host/deadline.ts';
import type { Exit } from '../host/exit.ts';
import { shellExitCode } from '../host/exit.ts';
import { findProgram } from '../host/program.ts';
import { runInForeground } from '../host/run.ts';
import type {
  Executor,
  Executors,
  FindMachine,
  GuestOutput,
  Machine,
  OptionalResult,
  OutputOf,
  OutputStream,
  StepContext,
} from '../plan/executor.ts';
import { shortCommand } from '../plan/guest-steps.ts';
import type { AwaitGuest } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';
import type { SshShell } from './ssh-shell.ts';
import { BROKEN } from './ssh-shell.ts';
import { ConnectionLost, GuestGone, endedInOrder, whileAlive } from './fate.ts';
import { hostKeyIn } from './host-key.ts';
import type { Offer } from './keys.ts';
import { keyFilesOf, offersOf, optionKeyFiles, readPrivateKeys } from './keys.ts';
import type { RunScript } from './login-key.ts';
import { Logins } from './logins.ts';
import type { LoginTry } from './readiness.ts';
import { awaitReady } from './readiness.ts';
import { awaitReadyCommand } from './ready-command.ts';
import type { Master, Target } from './ssh-program.ts';
import { openMaster, sshArguments } from './ssh-program.ts';
import { askBy, login } from './ssh.ts';

type GuestKind = 'guest.ready' | 'guest.ready-command' | 'guest.leave' | 'guest.run' | 'guest.console';

/** Executors of guest steps, and shells for copies to and from guests. */
export interface GuestRoom {
  readonly executors: Pick<Executors, GuestKind>;
  readonly guestShell: (vm: string, ssh: SshSpec, context: StepContext) => Promise<GuestShell>;
  /** A shell for shared folders: with a `number`, on a connection for those, which carries as many as it can. */
  readonly mountShell: (vm: string, ssh: SshSpec, signal: AbortSignal, number?: number) => Promise<SshShell>;
  /** Closes the ssh port to further logins. */
  readonly closePort: (vm: string, signal: AbortSignal) => Promise<void>;
}

/** Creates the executors of guest steps. */
export function guestRoom(find: FindMachine, outputOf: OutputOf): GuestRoom {
  const logins = new Logins(find);
  const informed = new Set<string>();

  const ready = async (
    { vm, ssh, forSession, exposed, closesPort }: AwaitGuest,
    context: StepContext,
  ): Promise<OptionalResult> => {
    const machine = find(vm);
    // fails now, not after the wait
    if (forSession) await findProgram(ssh.program);
    if (machine.sharedLogin !== undefined) return;
    const target = await logins.target(vm, ssh);
    const nextOffer = inTurn(machine.seed === undefined ? await offersOf(process.env) : ['vm']);
    const keep = (master: Master, offer: Offer): void => logins.keep(vm, master, offer);
    const treatKeys = async (run: RunScript, signal: AbortSignal): Promise<void> =>
      logins.treatKeys(vm, ssh, run, { ...context, signal });
    const { controlPath } = target;
    const isShared = forSession && controlPath !== undefined;
    const tryLogin = isShared
      ? loginForSessions({ ...target, controlPath }, machine, nextOffer, keep)
      : loginOfOurOwn(target, machine, nextOffer, treatKeys);
    const end = await whileAlive(machine, 'before it could be logged in to', context, async (signal) =>
      awaitReady(machine, ssh, tryLogin, signal),
    );
    if (end?.problem) throw new TransientError(end.problem);
    if (end) return { ended: true };
    await machine.seed?.applied();
    if (isShared) {
      const run = await logins.byUser(vm, ssh);
      const treated = await whileAlive(machine, 'right after it was logged in to', context, async (signal) =>
        treatKeys(run, signal),
      ).catch(endedInOrder);
      if (treated?.ended) return treated;
    }
    if (closesPort) await logins.closePort(vm, context.signal);
    if (exposed !== undefined) context.warn(keptForPython(vm, exposed));
    machine.hideSerial();
  };

  const leave: Executor<'guest.leave'> = async ({ vm }) => {
    informed.delete(vm);
    await logins.close(vm);
  };

  const command: Executor<'guest.run'> = async ({ vm, ssh, command: line, ownsTerminal }, context) => {
    const { heard } = context;
    const machine = find(vm);
    const target = await logins.target(vm, ssh);
    const args = [...sshArguments(target, 'user'), '--', line];
    return whileAlive(machine, `while "${shortCommand(line)}" ran`, context, async (signal) => {
      const exit = ownsTerminal
        ? await runInForeground(ssh.program, args, signal, heard)
        : await runBesideOthers(ssh.program, args, tee(heard, outputOf(vm)), signal);
      const exitCode = await sessionCode(exit, target, machine);
      if (exitCode === BROKEN && line.length > LONG_COMMAND) throw new TransientError(tooLong(line));
      return { exitCode };
    });
  };

  const console: Executor<'guest.console'> = async ({ vm, ssh }, context) => {
    const machine = find(vm);
    const target = await logins.target(vm, ssh);
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
  };

  const guestShell: GuestRoom['guestShell'] = async (vm, ssh, { signal, note }) => {
    const opened = await logins.shell(vm, ssh, signal);
    if (!opened.isRoot && !informed.has(vm)) {
      informed.add(vm);
      note(withOwnRights(ssh.user));
    }
    return opened;
  };

  const readyCommand: Executor<'guest.ready-command'> = async (step, { signal }) => {
    await awaitReadyCommand(step, async (until) => logins.shell(step.vm, step.ssh, until), signal);
  };

  return {
    executors: {
      'guest.ready': ready,
      'guest.ready-command': readyCommand,
      'guest.leave': leave,
      'guest.run': command,
      'guest.console': console,
    },
    guestShell,
    mountShell: async (vm, ssh, signal, number) =>
      number === undefined ? logins.shell(vm, ssh, signal) : logins.carrier(vm, ssh, number, signal),
    closePort: async (vm, signal) => logins.closePort(vm, signal),
  };
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

/** Cycles through the offers; the first that is accepted is used. */
function inTurn(offers: readonly Offer[]): () => Offer {
  let count = 0;
  return () => offers[count++ % offers.length] ?? 'vm';
}

/** Logs in with the user's ssh program as a master for sessions. */
function loginForSessions(
  target: Target & { readonly controlPath: string },
  { directory, loginKey }: Machine,
  nextOffer: () => Offer,
  onOpen: (master: Master, offer: Offer) => void,
): LoginTry {
  return async (signal, greeted) => {
    const offer = nextOffer();
    const keyFiles = await keyFilesOf(directory, loginKey, offer);
    const opened = await openMaster({ ...target, offer, keyFiles }, signal, greeted);
    if ('refused' in opened) return opened.refused;
    onOpen(opened, offer);
    return undefined;
  };
}

/** Logs in and out again with ssh2. */
function loginOfOurOwn(
  { ssh, port }: Target,
  { loginKey, seed }: Machine,
  nextOffer: () => Offer,
  treatKeys: (run: RunScript, signal: AbortSignal) => Promise<void>,
): LoginTry {
  return async (signal, socket) => {
    try {
      const offer = nextOffer();
      const keys = await readPrivateKeys(loginKey, optionKeyFiles(ssh.options), offer);
      const hostKey = seed && (await hostKeyIn(seed.knownHosts));
      const withAgent = offer === 'agent';
      const client = await login(
        { port, user: ssh.user, keys, withAgent, hostKey, ...(socket ? { socket } : {}) },
        signal,
      );
      try {
        if (offer === 'vm') await treatKeys(async (script, until) => askBy(client, script, until), signal);
      } finally {
        client.end();
      }
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TransientError) throw error;
      return error instanceof Error ? error.message : String(error);
    }
  };
}

/**
 * Exit code of a session. A session that broke with its connection has none: ssh's own 255 says nothing about the
 * command.
 */
async function sessionCode(exit: Exit, { master }: Target, machine: Machine): Promise<number> {
  const code = shellExitCode(exit);
  if (code !== BROKEN) return code;
  const loss = master === undefined ? await lossByEnd(machine) : await master.loss();
  if (loss) throw loss;
  return code;
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

/** Without a shared login only the machine tells whether a session broke. */
async function lossByEnd({ ended }: Machine): Promise<ConnectionLost | undefined> {
  const end = await Promise.race([ended, delay(patience('ssh-master'), undefined, { ref: false })]);
  return end && new ConnectionLost('closed the connection');
}

/** Duplicates an output to a listener. */
function tee(heard: StepContext['heard'], output: GuestOutput): GuestOutput {
  if (heard === undefined) return output;
  const both = (stream: OutputStream) => (bytes: Buffer) => {
    heard(stream, bytes);
    output[stream](bytes);
  };
  return { stdout: both('stdout'), stderr: both('stderr'), end: output.end };
}

/** Runs a command beside those of other VMs: no stdin, and its output is passed on as it comes. */
async function runBesideOthers(
  program: string,
  args: readonly string[],
  output: GuestOutput,
  signal: AbortSignal,
): Promise<Exit> {
  const child = await startChild(program, args, { signal, newProcessGroup: true });
  child.stdout?.on('data', output.stdout);
  child.stderr?.on('data', output.stderr);
  const exit = await child.exited;
  output.end();
  signal.throwIfAborted();
  return exit;
}
