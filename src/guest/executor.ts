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
  OutputOf,
  OutputStream,
  StepContext,
} from '../plan/executor.ts';
import { shortCommand } from '../plan/guest-steps.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import type { GuestShell } from '../transfer/guest-shell.ts';
import type { SshShell } from './ssh-shell.ts';
import { BROKEN } from './ssh-shell.ts';
import { ConnectionLost, GuestGone, whileAlive } from './fate.ts';
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

/** The executors of steps in a guest, and the guests that can be copied to and from. */
export interface GuestRoom {
  readonly executors: Pick<Executors, GuestKind>;
  readonly far: (vm: string, ssh: SshSpec, context: StepContext) => Promise<GuestShell>;
  /** The same for shared folders: with a `number` on a connection for those, which carries as many as it can bear. */
  readonly shell: (vm: string, ssh: SshSpec, signal: AbortSignal, number?: number) => Promise<SshShell>;
  /** Lets no further login in. */
  readonly closePort: (vm: string) => Promise<void>;
}

/** Executors of the steps that concern the inside of a guest. */
export function guestRoom(find: FindMachine, outputOf: OutputOf): GuestRoom {
  const logins = new Logins(find);
  const informed = new Set<string>();

  const ready: Executor<'guest.ready'> = async ({ vm, ssh, forSession, exposed, closesPort }, context) => {
    const machine = find(vm);
    // told now, not after the wait
    if (forSession) await findProgram(ssh.program);
    if (machine.sharedLogin !== undefined) return undefined;
    const target = await logins.target(vm, ssh);
    const nextOffer = inTurn(await offersOf(process.env));
    const keep = (master: Master, offer: Offer): void => logins.keep(vm, master, offer);
    const treatKeys = async (run: RunScript, signal: AbortSignal): Promise<void> =>
      logins.treatKeys(vm, ssh, run, { ...context, signal });
    const tryLogin =
      forSession && target.controlPath !== undefined
        ? loginForSessions(target, machine, nextOffer, keep)
        : loginOfOurOwn(target, machine, nextOffer, treatKeys);
    const end = await whileAlive(machine, 'before it could be logged in to', context, async (signal) =>
      awaitReady(machine, ssh, tryLogin, signal),
    );
    if (end?.problem) throw new TransientError(end.problem);
    if (end) return { ended: true };
    if (forSession && target.controlPath !== undefined) {
      const run = await logins.byUser(vm, ssh);
      const treated = await whileAlive(machine, 'right after it was logged in to', context, async (signal) =>
        treatKeys(run, signal),
      ).catch(endedInOrder);
      if (treated?.ended) return treated;
    }
    if (closesPort === true) await logins.closePort(vm);
    if (exposed !== undefined) context.warn(keptForPython(vm, exposed));
    machine.hideSerial();
    return undefined;
  };

  const leave: Executor<'guest.leave'> = async ({ vm }) => {
    informed.delete(vm);
    await logins.close(vm);
    return undefined;
  };

  const command: Executor<'guest.run'> = async ({ vm, ssh, command: line, ownsTerminal }, context) => {
    const { heard } = context;
    const machine = find(vm);
    const target = await logins.target(vm, ssh);
    const args = [...sshArguments(target, 'user'), '--', line];
    return whileAlive(machine, `while "${shortCommand(line)}" ran`, context, async (signal) => {
      const exit = ownsTerminal
        ? await runInForeground(ssh.program, args, signal, heard)
        : await runBesideOthers(ssh.program, args, heardBy(heard, outputOf(vm)), signal);
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
      // whoever typed that has what they wanted
      if (error instanceof GuestGone && error.how === 'powered off') return { ended: true };
      throw error;
    }
  };

  const far: GuestRoom['far'] = async (vm, ssh, { signal, note }) => {
    const opened = await logins.shell(vm, ssh, signal);
    if (!opened.isRoot && !informed.has(vm)) {
      informed.add(vm);
      note(withOwnRights(ssh.user));
    }
    return opened;
  };

  const settle: Executor<'guest.ready-command'> = async (step, { signal }) => {
    await awaitReadyCommand(step, async (until) => logins.shell(step.vm, step.ssh, until), signal);
    return undefined;
  };

  return {
    executors: {
      'guest.ready': ready,
      'guest.ready-command': settle,
      'guest.leave': leave,
      'guest.run': command,
      'guest.console': console,
    },
    far,
    shell: async (vm, ssh, signal, number) =>
      number === undefined ? logins.shell(vm, ssh, signal) : logins.carrier(vm, ssh, number, signal),
    closePort: async (vm) => logins.closePort(vm),
  };
}

function withOwnRights(user: string): string {
  return `User ${user} may not use sudo in the guest: files are copied with the rights of that user`;
}

/** A guest that was switched off from outside has not failed. */
function endedInOrder(error: unknown): { ended: true } {
  if (error instanceof GuestGone && error.how === 'was switched off') return { ended: true };
  throw error;
}

function keptForPython(vm: string, exposed: readonly string[]): Problem {
  return {
    reason: 'guest',
    message: `the VM keeps Vagrant's public key, so that transient 0.25 can still start it: everybody on this host can log in to it, and write to ${exposed.join(', ')}`,
    where: { kind: 'vm', vm },
    hint: 'create it again to give it a key of its own, or share the folder read-only',
  };
}

/** Calls for one offer after the other, again and again: the first that is let in is the one that counts. */
function inTurn(offers: readonly Offer[]): () => Offer {
  let count = 0;
  return () => offers[count++ % offers.length] ?? 'vm';
}

/** A login of the user's ssh program that its sessions will share, where a socket can be made for that. */
function loginForSessions(
  target: Target,
  { directory, loginKey }: Machine,
  nextOffer: () => Offer,
  onOpen: (master: Master, offer: Offer) => void,
): LoginTry {
  const { controlPath = '' } = target;
  return async (signal, greeted) => {
    const offer = nextOffer();
    const keyFiles = await keyFilesOf(directory, loginKey, offer);
    const opened = await openMaster({ ...target, controlPath, offer, keyFiles }, signal, greeted);
    if ('refused' in opened) return opened.refused;
    onOpen(opened, offer);
    return undefined;
  };
}

/** A login by ssh2, in and out again. */
function loginOfOurOwn(
  { ssh, port }: Target,
  { loginKey }: Machine,
  nextOffer: () => Offer,
  treatKeys: (run: RunScript, signal: AbortSignal) => Promise<void>,
): LoginTry {
  return async (signal, socket) => {
    try {
      const offer = nextOffer();
      const keys = await readPrivateKeys(loginKey, optionKeyFiles(ssh.options), offer);
      const withAgent = offer === 'agent';
      const client = await login(
        { port, user: ssh.user, keys, withAgent, ...(socket ? { socket } : {}) },
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

/** The exit code of a session. One that broke with its connection has none: ssh's own 255 says nothing of a command. */
async function sessionCode(exit: Exit, { master }: Target, machine: Machine): Promise<number> {
  const code = shellExitCode(exit);
  if (code !== BROKEN) return code;
  const loss = master === undefined ? await lossByEnd(machine) : await master.loss();
  if (loss) throw loss;
  return code;
}

/** Longer commands are refused by some servers (dropbear: 9,000 bytes), of which ssh says 255 and no reason. */
const LONG_COMMAND = 8192;

function tooLong(line: string): Problem {
  return {
    reason: 'guest',
    message: `the guest's ssh server did not run a command of ${Buffer.byteLength(line)} bytes`,
    hint: 'it may be longer than the server takes: put it into a file, copy that in, and run the file',
  };
}

/** Without a shared login nobody but the machine tells whether a session broke. */
async function lossByEnd({ ended }: Machine): Promise<ConnectionLost | undefined> {
  const end = await Promise.race([ended, delay(patience('ssh-master'), undefined, { ref: false })]);
  return end && new ConnectionLost('closed the connection');
}

/** An output that somebody else hears too. */
function heardBy(heard: StepContext['heard'], output: GuestOutput): GuestOutput {
  if (heard === undefined) return output;
  const both = (stream: OutputStream) => (bytes: Buffer) => {
    heard(stream, bytes);
    output[stream](bytes);
  };
  return { stdout: both('stdout'), stderr: both('stderr'), end: output.end };
}

/** A command among those of other VMs: no stdin, and its output goes on to ours as it comes. */
async function runBesideOthers(
  program: string,
  args: readonly string[],
  output: GuestOutput,
  signal: AbortSignal,
): Promise<Exit> {
  const child = await startChild(program, args, { signal, ownGroup: true });
  child.stdout?.on('data', output.stdout);
  child.stderr?.on('data', output.stderr);
  const exit = await child.exited;
  output.end();
  signal.throwIfAborted();
  return exit;
}
