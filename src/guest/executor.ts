import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { SshSpec } from '../config/vm-spec.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exit } from '../host/process.ts';
import { findProgram, runInForeground, shellExitCode, startChild } from '../host/process.ts';
import type { Executor, Executors, FindMachine, Machine } from '../plan/contract.ts';
import { TransientError } from '../problem.ts';
import type { LoginTry } from './readiness.ts';
import { awaitReady, sshPortOf } from './readiness.ts';
import type { Master, Target } from './ssh-program.ts';
import { fitsSocket, openMaster, sshArguments } from './ssh-program.ts';
import { login } from './ssh.ts';
import { VAGRANT_PRIVATE_KEY } from './vagrant-key.ts';

type GuestKind = 'guest.ready' | 'guest.leave' | 'guest.run' | 'guest.console';

/** Executors of the steps that concern the inside of a guest. */
export function guestExecutors(find: FindMachine): Pick<Executors, GuestKind> {
  const masters = new Map<string, Master>();

  const ready: Executor<'guest.ready'> = async ({ vm, ssh, forSession }, { signal }) => {
    const machine = find(vm);
    // told now, not after the wait
    if (forSession) await findProgram(ssh.program, 'it is in the package openssh-client');
    const target = await targetOf(machine, ssh);
    const keep = (master: Master): void => void masters.set(vm, master);
    const tryLogin = forSession ? loginForSessions(target, keep) : loginOfOurOwn(target);
    const end = await awaitReady(machine, ssh, tryLogin, signal);
    if (end?.problem) throw new TransientError(end.problem);
    if (end) return { ended: true };
    machine.hideSerial();
    return undefined;
  };

  const leave: Executor<'guest.leave'> = async ({ vm }) => {
    await masters.get(vm)?.close();
    masters.delete(vm);
    return undefined;
  };

  const command: Executor<'guest.run'> = async ({ vm, ssh, command: line, ownsTerminal }, { signal }) => {
    const machine = find(vm);
    const args = [...sshArguments(await targetOf(machine, ssh)), line];
    const run = ownsTerminal ? runInForeground : runBesideOthers;
    return { exitCode: await sessionCode(await run(ssh.program, args, signal), machine) };
  };

  const console: Executor<'guest.console'> = async ({ vm, ssh }, { signal }) => {
    const machine = find(vm);
    const args = sshArguments(await targetOf(machine, ssh));
    return { exitCode: await sessionCode(await runInForeground(ssh.program, args, signal), machine) };
  };

  return { 'guest.ready': ready, 'guest.leave': leave, 'guest.run': command, 'guest.console': console };
}

/** A login of the user's ssh program that its sessions will share, where a socket can be made for that. */
function loginForSessions(target: Target, onOpen: (master: Master) => void): LoginTry {
  const { controlPath } = target;
  if (controlPath === undefined) return loginOfOurOwn(target);
  return async (signal, greeted) => {
    greeted?.destroy();
    const opened = await openMaster({ ...target, controlPath }, signal);
    if ('refused' in opened) return opened.refused;
    onOpen(opened);
    return undefined;
  };
}

/** A login by ssh2, in and out again. */
function loginOfOurOwn({ ssh, port }: Target): LoginTry {
  return async (signal, socket) => {
    try {
      (await login({ port, user: ssh.user, ...(socket ? { socket } : {}) }, signal)).end();
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof Error ? error.message : String(error);
    }
  };
}

async function targetOf(machine: Machine, ssh: SshSpec): Promise<Target> {
  const controlPath = join(machine.directory, 'ssh');
  return {
    ssh,
    port: sshPortOf(machine),
    keyFile: await keyFileIn(machine.directory),
    controlPath: fitsSocket(controlPath) ? controlPath : undefined,
  };
}

/** The private key as a file, which is how the ssh program takes it; it refuses one that others may read. */
async function keyFileIn(directory: string): Promise<string> {
  const path = join(directory, 'vagrant-key');
  await using file = await open(path, 'w', 0o600);
  await file.chmod(0o600);
  await file.writeFile(VAGRANT_PRIVATE_KEY);
  return path;
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
