import { join } from 'node:path';
import type { SshSpec } from '../config/ssh.ts';
import { unlessAborted } from '../host/abort.ts';
import { limited, patience } from '../host/deadline.ts';
import type { FindMachine, Machine, StepContext } from '../plan/executor.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';
import { SshShell } from './ssh-shell.ts';
import type { Offer } from './keys.ts';
import { keyFilesOf } from './keys.ts';
import type { RunScript } from './login-key.ts';
import { treatWellKnownKeys } from './login-key.ts';
import { sshPortOf } from './readiness.ts';
import type { Master, Target } from './ssh-program.ts';
import { fitsSocket, openMaster } from './ssh-program.ts';

/** Maximum number of sessions per connection (sshd_config(5), MaxSessions). */
const SESSIONS = 10;

/** Connections to one guest. */
interface Connections {
  /** Connection for commands, consoles and copies. */
  main?: Master;
  /** Connections for shared folders, each for several of them. */
  readonly carriers: Promise<SshShell>[];
  readonly masters: Master[];
  /** The offer of keys that was accepted. */
  offer: Offer;
  shell?: Promise<SshShell>;
}

/** Logins to the guests of this process, by VM. */
export class Logins {
  readonly #find: FindMachine;
  readonly #connections = new Map<string, Connections>();

  constructor(find: FindMachine) {
    this.#find = find;
  }

  /** Connection parameters for sessions of a VM, which share its login. */
  async target(vm: string, ssh: SshSpec): Promise<Target> {
    const machine = this.#find(vm);
    const { main, offer } = this.#of(vm);
    const controlPath = controlPathOf(machine);
    return {
      ssh,
      port: sshPortOf(machine),
      keyFiles: await keyFilesOf(machine.directory, machine.loginKey, offer),
      offer,
      knownHosts: machine.seed?.knownHosts,
      controlPath: fitsSocket(controlPath) ? controlPath : undefined,
      master: main,
      isEmulated: machine.isEmulated,
    };
  }

  /** Stores the login that the sessions of a VM share. */
  keep(vm: string, master: Master, offer: Offer): void {
    const connections = this.#of(vm);
    connections.main = master;
    connections.masters.push(master);
    connections.offer = offer;
  }

  /** A shell in a guest, on the shared login. */
  async shell(vm: string, ssh: SshSpec, signal: AbortSignal): Promise<SshShell> {
    refuseGivenUp(this.#find(vm));
    const connections = this.#of(vm);
    connections.shell ??= this.#open(vm, ssh, signal).catch((error: unknown) => {
      // the next attempt may have more time
      delete connections.shell;
      throw error;
    });
    return connections.shell;
  }

  /**
   * A shell in a guest for shared folder `number`, on a login that carries only folders. A server may handle a
   * connection in one process, which waits for the output of a command while the command waits for the folder: with
   * both on one connection they deadlock.
   */
  async carrier(vm: string, ssh: SshSpec, number: number, signal: AbortSignal): Promise<SshShell> {
    const first = await this.shell(vm, ssh, signal);
    const { carriers } = this.#of(vm);
    const index = Math.floor(number / SESSIONS);
    // sequentially: a server rejects many simultaneous logins
    while (carriers.length <= index) carriers.push(this.#further(vm, ssh, first, carriers.at(-1), signal));
    return carriers[index] ?? first;
  }

  /** Runs scripts in a guest as its user, without probing it first. */
  async byUser(vm: string, ssh: SshSpec): Promise<RunScript> {
    const shell = SshShell.plain(await this.target(vm, ssh));
    return async (script, signal) => shell.run(script, signal);
  }

  /** Replaces or restores the well-known keys of a guest; a guest that rejected them has none. */
  async treatKeys(vm: string, ssh: SshSpec, run: RunScript, context: StepContext): Promise<void> {
    if (this.#of(vm).offer !== 'vm') return;
    await limited(
      context.signal,
      patience('guest-probe'),
      () => this.#silence(vm),
      async (signal) => treatWellKnownKeys(ssh, this.#find(vm).loginKey, run, { ...context, signal }),
    );
  }

  /** Closes the ssh port of a guest, which remains reachable by the existing login only. */
  async closePort(vm: string, signal: AbortSignal): Promise<void> {
    const machine = this.#find(vm);
    // without a shared login each session makes its own connection
    if (this.#of(vm).main === undefined) return;
    // QEMU has its own timeout, which may be longer than a signal waits
    await unlessAborted(machine.closePort(controlPathOf(machine)), signal);
  }

  /** Closes all connections of a VM. */
  async close(vm: string): Promise<void> {
    const { masters } = this.#of(vm);
    this.#connections.delete(vm);
    for (const master of masters) await master.close();
  }

  async #open(vm: string, ssh: SshSpec, signal: AbortSignal): Promise<SshShell> {
    const target = await this.target(vm, ssh);
    return limited(
      signal,
      patience('guest-probe'),
      () => this.#silence(vm),
      async (until) => SshShell.open(target, until),
    );
  }

  async #further(
    vm: string,
    ssh: SshSpec,
    first: SshShell,
    earlier: Promise<SshShell> | undefined,
    signal: AbortSignal,
  ): Promise<SshShell> {
    await earlier;
    const { masters } = this.#of(vm);
    const target = { ...(await this.target(vm, ssh)), controlPath: undefined, master: undefined };
    const controlPath = join(this.#find(vm).directory, `s${masters.length}`);
    if (!fitsSocket(controlPath)) return first.by(target);
    const opened = await openMaster({ ...target, controlPath }, signal);
    if ('refused' in opened) return first.by(target);
    masters.push(opened);
    return first.by({ ...target, controlPath, master: opened });
  }

  #silence(vm: string): Problem {
    this.#find(vm).giveUp();
    return {
      reason: 'guest',
      message: `the guest did not respond within ${patience('guest-probe') / 1000} s`,
      where: { kind: 'vm', vm },
    };
  }

  #of(vm: string): Connections {
    const found = this.#connections.get(vm) ?? { carriers: [], masters: [], offer: 'vm' as const };
    this.#connections.set(vm, found);
    return found;
  }
}

/** Path of the control socket for the shared login of a machine, which may be another process's. */
function controlPathOf({ directory, sharedLogin }: Machine): string {
  return sharedLogin ?? join(directory, 'ssh');
}

/** Throws for a guest that has stopped responding: each further request would wait in vain. */
function refuseGivenUp(machine: Machine): void {
  if (!machine.isGivenUp()) return;
  throw new TransientError({ reason: 'guest', message: 'the guest has stopped responding' });
}
