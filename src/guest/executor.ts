import { join } from 'node:path';
import type { SshSpec } from '../config/vm-spec.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild } from '../host/child.ts';
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
} from '../plan/contract.ts';
import { TransientError } from '../problem.ts';
import type { Far } from '../transfer/far.ts';
import { SshFar } from './far.ts';
import type { LoginTry } from './readiness.ts';
import { settleGuest } from './settling.ts';
import { awaitReady, sshPortOf } from './readiness.ts';
import type { Master, Target } from './ssh-program.ts';
import { fitsSocket, openMaster, sshArguments } from './ssh-program.ts';
import { keyFilesOf, optionKeyFiles, readPrivateKeys } from './keys.ts';
import { login } from './ssh.ts';

type GuestKind = 'guest.ready' | 'guest.settle' | 'guest.leave' | 'guest.run' | 'guest.console';

/** The executors of steps in a guest, and the guests that can be copied to and from. */
export interface GuestRoom {
  readonly executors: Pick<Executors, GuestKind>;
  readonly far: (vm: string, ssh: SshSpec, context: StepContext) => Promise<Far>;
  /** The same for what stays: of many, each `number` up finds a login that can bear it. */
  readonly shell: (vm: string, ssh: SshSpec, number: number, context: StepContext) => Promise<SshFar>;
}

/** Executors of the steps that concern the inside of a guest. */
export function guestRoom(find: FindMachine, outputOf: OutputOf): GuestRoom {
  const fars = new Map<string, Promise<SshFar>>();
  const masters = new Map<string, Master[]>();
  /** Further connections of a VM, each for a number of sessions. */
  const others = new Map<string, Promise<SshFar>[]>();
  /** VMs that let in nobody but by a key of the user's agent. */
  const byAgent = new Set<string>();

  const ready: Executor<'guest.ready'> = async ({ vm, ssh, forSession }, { signal }) => {
    const machine = find(vm);
    // told now, not after the wait
    if (forSession) await findProgram(ssh.program, 'it is in the package openssh-client');
    const target = await targetOf(machine, ssh);
    const keep = (master: Master, withAgent: boolean): void => {
      masters.set(vm, [master]);
      if (withAgent) byAgent.add(vm);
    };
    const tryLogin = forSession ? loginForSessions(target, keep) : loginOfOurOwn(target);
    const end = await awaitReady(machine, ssh, tryLogin, signal);
    if (end?.problem) throw new TransientError(end.problem);
    if (end) return { ended: true };
    machine.hideSerial();
    return undefined;
  };

  const leave: Executor<'guest.leave'> = async ({ vm }) => {
    fars.delete(vm);
    others.delete(vm);
    for (const master of masters.get(vm) ?? []) await master.close();
    masters.delete(vm);
    return undefined;
  };

  const command: Executor<'guest.run'> = async (
    { vm, ssh, command: line, ownsTerminal },
    { signal, heard },
  ) => {
    const machine = find(vm);
    const args = [...sshArguments(await targetOf(machine, ssh, byAgent.has(vm))), line];
    const exit = ownsTerminal
      ? await runInForeground(ssh.program, args, signal, heard)
      : await runBesideOthers(ssh.program, args, heardBy(heard, outputOf(vm)), signal);
    return { exitCode: await sessionCode(exit, machine) };
  };

  const console: Executor<'guest.console'> = async ({ vm, ssh }, { signal }) => {
    const machine = find(vm);
    const args = sshArguments(await targetOf(machine, ssh, byAgent.has(vm)));
    return { exitCode: await sessionCode(await runInForeground(ssh.program, args, signal), machine) };
  };

  const inside = async (vm: string, ssh: SshSpec, { signal }: StepContext): Promise<SshFar> => {
    const opened =
      fars.get(vm) ?? targetOf(find(vm), ssh, byAgent.has(vm)).then((target) => SshFar.open(target, signal));
    fars.set(vm, opened);
    return opened;
  };

  const far: GuestRoom['far'] = async (vm, ssh, context) => {
    const isNew = !fars.has(vm);
    const opened = await inside(vm, ssh, context);
    if (isNew && !opened.isRoot) context.note(withOwnRights(ssh.user));
    return opened;
  };

  const settle: Executor<'guest.settle'> = async (step, context) => {
    const over = new AbortController();
    const ended = find(step.vm).ended.then((end) => {
      over.abort();
      return end;
    });
    const signal = AbortSignal.any([context.signal, over.signal]);
    try {
      await settleGuest(step, await inside(step.vm, step.ssh, { ...context, signal }), signal);
      return undefined;
    } catch (error) {
      if (!over.signal.aborted || context.signal.aborted) throw error;
      const { problem } = await ended;
      if (problem) throw new TransientError(problem);
      return { ended: true };
    }
  };

  const shell: GuestRoom['shell'] = async (vm, ssh, number, context) => {
    const first = await inside(vm, ssh, context);
    const index = Math.floor(number / SESSIONS) - 1;
    if (index < 0) return first;
    const known = others.get(vm) ?? [];
    others.set(vm, known);
    // one after the other: a server refuses many that log in at the same time
    while (known.length <= index)
      known.push(further(vm, ssh, first, known.length, known.at(-1), context.signal));
    return known[index] ?? first;
  };

  /** The same guest by one more login, which is shared by sessions as the first one is. */
  const further = async (
    vm: string,
    ssh: SshSpec,
    first: SshFar,
    index: number,
    earlier: Promise<SshFar> | undefined,
    signal: AbortSignal,
  ): Promise<SshFar> => {
    await earlier;
    const machine = find(vm);
    const target = { ...(await targetOf(machine, ssh, byAgent.has(vm))), controlPath: undefined };
    const controlPath = join(machine.directory, `s${index}`);
    if (!fitsSocket(controlPath)) return first.by(target);
    const opened = await openMaster({ ...target, controlPath }, signal);
    if ('refused' in opened) return first.by(target);
    masters.get(vm)?.push(opened);
    return first.by({ ...target, controlPath });
  };

  return {
    executors: {
      'guest.ready': ready,
      'guest.settle': settle,
      'guest.leave': leave,
      'guest.run': command,
      'guest.console': console,
    },
    far,
    shell,
  };
}

/** A server lets ten sessions share a login (sshd_config(5), MaxSessions): some are left to the user's own. */
const SESSIONS = 7;

function withOwnRights(user: string): string {
  return `User ${user} may not use sudo in the guest: files are copied with the rights of that user`;
}

/**
 * A login of the user's ssh program that its sessions will share, where a socket can be made for that. Every other try
 * offers the keys of an agent too.
 */
function loginForSessions(target: Target, onOpen: (master: Master, withAgent: boolean) => void): LoginTry {
  const { controlPath } = target;
  if (controlPath === undefined) return loginOfOurOwn(target);
  let withAgent = true;
  return async (signal, greeted) => {
    greeted?.destroy();
    withAgent = !withAgent;
    const opened = await openMaster({ ...target, controlPath, withAgent }, signal);
    if ('refused' in opened) return opened.refused;
    onOpen(opened, withAgent);
    return undefined;
  };
}

/** A login by ssh2, in and out again. */
function loginOfOurOwn({ ssh, port }: Target): LoginTry {
  return async (signal, socket) => {
    try {
      const keys = await readPrivateKeys(optionKeyFiles(ssh.options));
      (await login({ port, user: ssh.user, keys, ...(socket ? { socket } : {}) }, signal)).end();
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof Error ? error.message : String(error);
    }
  };
}

async function targetOf(machine: Machine, ssh: SshSpec, withAgent = false): Promise<Target> {
  const controlPath = join(machine.directory, 'ssh');
  return {
    ssh,
    port: sshPortOf(machine),
    keyFiles: await keyFilesOf(machine.directory),
    withAgent,
    controlPath: fitsSocket(controlPath) ? controlPath : undefined,
  };
}

/** ssh's own exit code for a connection that broke (ssh(1)). */
const BROKEN = 255;

/** How long QEMU's end may come after that of a session which it broke, in milliseconds. */
const GRACE = 500;

/** The exit code of a session; when it broke because the machine failed, that is the error. */
async function sessionCode(exit: Exit, machine: Machine): Promise<number> {
  const code = shellExitCode(exit);
  if (code !== BROKEN) return code;
  const end = await Promise.race([machine.ended, delay(GRACE, undefined)]);
  if (end?.problem) throw new TransientError(end.problem);
  return code;
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
  const child = await startChild(program, args, { signal });
  child.stdout?.on('data', output.stdout);
  child.stderr?.on('data', output.stderr);
  const exit = await child.exited;
  output.end();
  signal.throwIfAborted();
  return exit;
}
