import { join } from 'node:path';
import type { SshSpec } from '../config/vm-spec.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exit } from '../host/process.ts';
import { findProgram, runInForeground, shellExitCode, startChild } from '../host/process.ts';
import type { Executor, Executors, FindMachine, Machine, StepContext } from '../plan/contract.ts';
import { TransientError } from '../problem.ts';
import type { Far } from '../transfer/far.ts';
import { SshFar } from './far.ts';
import type { LoginTry } from './readiness.ts';
import { awaitReady, sshPortOf } from './readiness.ts';
import type { Master, Target } from './ssh-program.ts';
import { fitsSocket, openMaster, sshArguments } from './ssh-program.ts';
import { keyFilesOf, optionKeyFiles, readPrivateKeys } from './keys.ts';
import { login } from './ssh.ts';

type GuestKind = 'guest.ready' | 'guest.leave' | 'guest.run' | 'guest.console';

/** The executors of steps in a guest, and the guests that can be copied to and from. */
export interface GuestRoom {
  readonly executors: Pick<Executors, GuestKind>;
  readonly far: (vm: string, ssh: SshSpec, context: StepContext) => Promise<Far>;
}

/** Executors of the steps that concern the inside of a guest. */
export function guestRoom(find: FindMachine): GuestRoom {
  const fars = new Map<string, Promise<Far>>();
  const masters = new Map<string, Master>();
  /** VMs that let in nobody but by a key of the user's agent. */
  const byAgent = new Set<string>();

  const ready: Executor<'guest.ready'> = async ({ vm, ssh, forSession }, { signal }) => {
    const machine = find(vm);
    // told now, not after the wait
    if (forSession) await findProgram(ssh.program, 'it is in the package openssh-client');
    const target = await targetOf(machine, ssh);
    const keep = (master: Master, withAgent: boolean): void => {
      masters.set(vm, master);
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
    await masters.get(vm)?.close();
    masters.delete(vm);
    return undefined;
  };

  const command: Executor<'guest.run'> = async ({ vm, ssh, command: line, ownsTerminal }, { signal }) => {
    const machine = find(vm);
    const args = [...sshArguments(await targetOf(machine, ssh, byAgent.has(vm))), line];
    const run = ownsTerminal ? runInForeground : runBesideOthers;
    return { exitCode: await sessionCode(await run(ssh.program, args, signal), machine) };
  };

  const console: Executor<'guest.console'> = async ({ vm, ssh }, { signal }) => {
    const machine = find(vm);
    const args = sshArguments(await targetOf(machine, ssh, byAgent.has(vm)));
    return { exitCode: await sessionCode(await runInForeground(ssh.program, args, signal), machine) };
  };

  const far = async (vm: string, ssh: SshSpec, context: StepContext): Promise<Far> => {
    const known = fars.get(vm);
    if (known !== undefined) return known;
    const target = await targetOf(find(vm), ssh, byAgent.has(vm));
    const opened = openFar(target, context);
    fars.set(vm, opened);
    return opened;
  };

  return {
    executors: { 'guest.ready': ready, 'guest.leave': leave, 'guest.run': command, 'guest.console': console },
    far,
  };
}

async function openFar(target: Target, { signal, note }: StepContext): Promise<Far> {
  const { far, isRoot } = await SshFar.open(target, signal);
  if (!isRoot)
    note(
      `User ${target.ssh.user} may not use sudo in the guest: files are copied with the rights of that user`,
    );
  return far;
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

/** A command among those of other VMs: no stdin, and its output goes on to ours as it comes. */
async function runBesideOthers(program: string, args: readonly string[], signal: AbortSignal): Promise<Exit> {
  const child = await startChild(program, args, { signal });
  // not piped: a reader of ours that went away must not hold up the guest
  child.stdout?.on('data', (chunk: Buffer) => process.stdout.write(chunk));
  child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  const exit = await child.exited;
  signal.throwIfAborted();
  return exit;
}
