import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { allFolders } from '../config/shares.ts';
import type { SharedFolderSpec } from '../config/shares.ts';
import type { SshSpec } from '../config/ssh.ts';
import { PATIENCE_VARIABLE, limited, patience, within } from '../host/deadline.ts';
import type { Executors, FindMachine, Machine, StepContext } from '../plan/executor.ts';
import { shareTag } from '../plan/shares.ts';
import type { MountShares, ServeShares, UnmountShares, WithdrawShares } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError, systemMessage } from '../problem.ts';
import { NO_DIRECTORY, NO_KERNEL_SUPPORT, deviceScript, unmountScript } from './guest-scripts.ts';
import { findSftpServer } from './sftp-server.ts';
import type { MountShell } from './mount-shell.ts';
import { SshfsMount, pairOf } from './sshfs.ts';
import { Virtiofsd, refuseAsRoot } from './virtiofsd.ts';

type ShareKind = 'share.serve' | 'share.withdraw' | 'share.mount' | 'share.unmount';

/** Dependencies on other parts of the program. */
export interface ShareNeeds {
  /** The private directory of this process. */
  readonly runDirectory: string;
  readonly find: FindMachine;
  /** A shell in a guest; with a number on a connection for folders, which several consecutive numbers share. */
  readonly shell: (vm: string, ssh: SshSpec, signal: AbortSignal, number?: number) => Promise<MountShell>;
  /** Closes a guest's ssh port to further logins. */
  readonly closePort: (vm: string, signal: AbortSignal) => Promise<void>;
  /** Warns the user outside of any step. */
  readonly warn: (problem: Problem) => void;
}

/** Mounted folders of one VM; `shell` is undefined if its guest was not reached. */
interface Mounted {
  readonly mounts: SshfsMount[];
  readonly folders: readonly SharedFolderSpec[];
  shell?: MountShell;
}

/** Shared folders of this process by VM: their servers on the host, and their mounts in guests. */
export class Shares {
  readonly executors: Pick<Executors, ShareKind> = {
    'share.serve': async (step, context) => this.#serve(step, context),
    'share.withdraw': async (step) => this.#withdraw(step),
    'share.mount': async (step, context) => this.#mount(step, context),
    'share.unmount': async (step, context) => this.#unmount(step, context),
  };
  readonly #needs: ShareNeeds;
  readonly #served = new Map<string, Virtiofsd[]>();
  readonly #mounted = new Map<string, Mounted>();
  #count = 0;

  constructor(needs: ShareNeeds) {
    this.#needs = needs;
  }

  /** Sockets of the folders that are devices of a machine. */
  readonly socketsOf = (vm: string): readonly string[] =>
    (this.#served.get(vm) ?? []).map(({ socket }) => socket);

  async #serve({ vm, shares }: ServeShares, { signal }: StepContext): Promise<void> {
    for (const folder of allFolders(shares)) await refuseNoDirectory(folder);
    shares.virtiofs.forEach(refuseAsRoot);
    if (shares.sshfs.length > 0) await findSftpServer(shares.sftpServer);
    const daemons: Virtiofsd[] = [];
    this.#served.set(vm, daemons);
    const directory = join(this.#needs.runDirectory, `share${++this.#count}`);
    await mkdir(directory, { mode: 0o700 });
    for (const [index, folder] of shares.virtiofs.entries())
      daemons.push(await Virtiofsd.open(folder, join(directory, String(index)), signal));
  }

  async #withdraw({ vm }: WithdrawShares): Promise<void> {
    for (const daemon of this.#served.get(vm) ?? []) {
      await daemon.close();
      await rm(daemon.socket, { force: true });
    }
    this.#served.delete(vm);
  }

  async #mount(step: MountShares, context: StepContext): Promise<void> {
    const { vm, shares } = step;
    const entry: Mounted = { mounts: [], folders: allFolders(shares) };
    this.#mounted.set(vm, entry);
    await limited(
      context.signal,
      patience('mount'),
      () => mountedTooSlowly(this.#needs.find(vm)),
      async (signal) => {
        const first = await this.#needs.shell(vm, step.ssh, signal);
        entry.shell = first;
        if (!first.isRoot) throw noSudo(first.user, entry.folders);
        await mountDevices(step, first, signal);
        await this.#mountSshfs(step, entry, signal);
      },
    );
    if (step.closesPort) await this.#needs.closePort(vm, context.signal);
  }

  async #mountSshfs({ vm, ssh, shares }: MountShares, entry: Mounted, signal: AbortSignal): Promise<void> {
    if (shares.sshfs.length === 0) return;
    const server = await findSftpServer(shares.sftpServer);
    // all at once; the failure of one must not abandon the others
    const opened = await Promise.allSettled(
      shares.sshfs.map(async (folder, index) => {
        const shell = await this.#needs.shell(vm, ssh, signal, index);
        const one = await SshfsMount.open(folder, shell, { server, unchanged: shares.unchanged }, signal);
        entry.mounts.push(one);
        void one.lost.then((problem) => problem && this.#warnOfLoss(vm, problem));
      }),
    );
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Warns of a lost folder, unless the machine itself has ended. */
  async #warnOfLoss(vm: string, problem: Problem): Promise<void> {
    if (await endsSoon(this.#needs.find(vm))) return;
    this.#needs.warn({ ...problem, where: { kind: 'vm', vm } });
  }

  async #unmount({ vm }: UnmountShares, context: StepContext): Promise<void> {
    const entry = this.#mounted.get(vm);
    this.#mounted.delete(vm);
    if (entry === undefined) return;
    entry.mounts.forEach((one) => one.expectEnd());
    const machine = this.#needs.find(vm);
    try {
      if (entry.shell && !machine.isGivenUp()) await unmountAll(machine, entry.shell, entry.folders, context);
      if (!machine.isGivenUp()) await Promise.all(entry.mounts.map((one) => one.settle()));
    } finally {
      await Promise.all(entry.mounts.map((one) => one.kill()));
    }
  }
}

async function refuseNoDirectory(folder: SharedFolderSpec): Promise<void> {
  const found = await stat(folder.host).catch((cause: unknown) => {
    const message = `${pairOf(folder)}: cannot share ${folder.host}: ${systemMessage(cause)}`;
    throw new TransientError({ reason: 'host', message }, { cause });
  });
  if (found.isDirectory()) return;
  throw new TransientError({
    reason: 'host',
    message: `${pairOf(folder)}: ${folder.host} is not a directory`,
    hint: 'share the directory that contains it, or copy it in with --copy-in-before',
  });
}

function noSudo(user: string, folders: readonly SharedFolderSpec[]): TransientError {
  const [first] = folders;
  return new TransientError({
    reason: 'guest',
    message: `${first ? pairOf(first) : 'a shared folder'}: user ${user} may not use sudo in the guest, which mounting requires`,
    hint: `let ${user} use sudo there without a password, or log in as root with --ssh-user root`,
  });
}

async function mountDevices({ shares }: MountShares, shell: MountShell, signal: AbortSignal): Promise<void> {
  for (const type of ['9p', 'virtiofs'] as const) {
    for (const [index, folder] of shares[type].entries()) {
      const { guest, readonly } = folder;
      const script = deviceScript({ type, tag: shareTag(type, index), guest, readonly }, shell.sudo);
      const { code, stderr } = await shell.run(script, signal);
      if (code === NO_KERNEL_SUPPORT) throw noKernelSupport(folder, type);
      const what = code === NO_DIRECTORY ? 'cannot create the directory' : 'cannot mount it';
      const message = `${pairOf(folder)}: ${what} in the guest: ${stderr.trim()}`;
      if (code !== 0) throw new TransientError({ reason: 'guest', message });
    }
  }
}

function noKernelSupport(folder: SharedFolderSpec, type: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `${pairOf(folder)}: the guest's kernel does not support ${type}`,
    hint: 'share it by sshfs instead: omit "via"',
  });
}

/** Maximum delay between the end of a connection and that of its machine, in milliseconds. */
const GRACE = 1000;

async function endsSoon({ ended }: ReturnType<FindMachine>): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), GRACE).unref());
  return Promise.race([ended.then(() => true), late]);
}

/** Unmounts the folders; an unresponsive guest loses unwritten data. */
async function unmountAll(
  machine: Machine,
  shell: MountShell,
  folders: readonly SharedFolderSpec[],
  { signal, warn }: StepContext,
): Promise<void> {
  using deadline = within(signal, patience('unmount'));
  // stops waiting once the guest has ended
  void machine.ended.then(() => deadline.abort());
  const script = unmountScript(
    folders.map(({ guest }) => guest),
    shell.sudo,
  );
  const answer = await shell.run(script, deadline.signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    machine.giveUp();
    return undefined;
  });
  for (const guest of answer?.stdout.split('\n').filter(Boolean) ?? []) {
    warn({
      reason: 'guest',
      message: `the shared folder at ${guest} was still in use in the guest when the session ended`,
      hint: 'further writes to it do not reach the host',
    });
  }
}

function mountedTooSlowly(machine: Machine): Problem {
  machine.giveUp();
  return {
    reason: 'guest',
    message: `the shared folders were not mounted within ${patience('mount') / 1000} s`,
    hint: `the guest may be overloaded or hang: check its serial console (--log-dir); ${PATIENCE_VARIABLE}=3 waits three times as long`,
  };
}
