import { join } from 'node:path';
import type { SshSpec } from '../config/vm-spec.ts';
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

/** A server lets ten sessions share a connection (sshd_config(5), MaxSessions). */
const SESSIONS = 10;

/** The connections to one guest. */
interface Connections {
  /** What commands, consoles and copies go through. */
  main?: Master;
  /** What shared folders go through, each for a number of them. */
  readonly carriers: Promise<SshShell>[];
  readonly masters: Master[];
  /** Whose keys it took to be let in. */
  offer: Offer;
  shell?: Promise<SshShell>;
}

/** The logins to the guests of this process, by VM. */
export class Logins {
  readonly #find: FindMachine;
  readonly #connections = new Map<string, Connections>();

  constructor(find: FindMachine) {
    this.#find = find;
  }

  /** Where the sessions of a VM connect to, on the login that they share. */
  async target(vm: string, ssh: SshSpec): Promise<Target> {
    const machine = this.#find(vm);
    const { main, offer } = this.#of(vm);
    const controlPath = machine.sharedLogin ?? join(machine.directory, 'ssh');
    return {
      ssh,
      port: sshPortOf(machine),
      keyFiles: await keyFilesOf(machine.directory, machine.loginKey, offer),
      offer,
      controlPath: fitsSocket(controlPath) ? controlPath : undefined,
      master: main,
      isEmulated: machine.isEmulated,
    };
  }

  /** Takes the login that the sessions of a VM will share. */
  keep(vm: string, master: Master, offer: Offer): void {
    const connections = this.#of(vm);
    connections.main = master;
    connections.masters.push(master);
    connections.offer = offer;
  }

  /** The inside of a guest, on the shared login. */
  async shell(vm: string, ssh: SshSpec, signal: AbortSignal): Promise<SshShell> {
    refuseGivenUp(this.#find(vm));
    const connections = this.#of(vm);
    connections.shell ??= this.#open(vm, ssh, signal).catch((error: unknown) => {
      // the next one may have more time
      delete connections.shell;
      throw error;
    });
    return connections.shell;
  }

  /**
   * The inside of a guest for shared folder `number`, on a login that carries nothing but folders. A server may serve all
   * of a connection by one process, which waits for the output of a command while that waits for the folder: with both on
   * one connection neither goes on.
   */
  async carrier(vm: string, ssh: SshSpec, number: number, signal: AbortSignal): Promise<SshShell> {
    const first = await this.shell(vm, ssh, signal);
    const { carriers } = this.#of(vm);
    const index = Math.floor(number / SESSIONS);
    // one after the other: a server refuses many that log in at the same time
    while (carriers.length <= index) carriers.push(this.#further(vm, ssh, first, carriers.at(-1), signal));
    return carriers[index] ?? first;
  }

  /** Runs scripts in a guest, of which nothing is known yet, as its user may. */
  async byUser(vm: string, ssh: SshSpec): Promise<RunScript> {
    const far = SshShell.plain(await this.target(vm, ssh));
    return async (script, signal) => far.run(script, signal);
  }

  /** Deals with the keys of a guest by which everybody can log in; one that refused them has none. */
  async treatKeys(vm: string, ssh: SshSpec, run: RunScript, context: StepContext): Promise<void> {
    if (this.#of(vm).offer !== 'vm') return;
    await limited(
      context.signal,
      patience('guest-probe'),
      () => this.#silence(vm),
      async (signal) => treatWellKnownKeys(ssh, this.#find(vm).loginKey, run, { ...context, signal }),
    );
  }

  /** From now on a guest is reached by the login that is there, and by nobody else's. */
  async closePort(vm: string): Promise<void> {
    // without it each session makes a connection
    if (this.#of(vm).main !== undefined)
      await this.#find(vm).closePort(join(this.#find(vm).directory, 'ssh'));
  }

  /** Ends all connections of a VM. */
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
      message: `the guest did not answer within ${patience('guest-probe') / 1000} s`,
      where: { kind: 'vm', vm },
    };
  }

  #of(vm: string): Connections {
    const found = this.#connections.get(vm) ?? { carriers: [], masters: [], offer: 'vm' as const };
    this.#connections.set(vm, found);
    return found;
  }
}

/** One that has shown that it does not answer is not asked again: each question would wait in vain. */
function refuseGivenUp(machine: Machine): void {
  if (!machine.isGivenUp()) return;
  throw new TransientError({ reason: 'guest', message: 'the guest does not answer any more' });
}
