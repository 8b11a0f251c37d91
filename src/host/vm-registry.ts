import { realpathSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { errorCode } from '../problem.ts';
import { processIdentity } from './process-identity-schema.ts';
import { isAlive, identityOf } from './process-identity.ts';
import { namesIn, readRecord, runDirectories, writeRecord } from './records.ts';

/** Name of the file in a machine's directory that tells other processes of it. */
const RECORD = 'vm.json';

/** Begin of the names of files in a run directory that tell which VMs of a store its process holds. */
const HOLD = 'hold-';

const runningVm = lazily(() =>
  z.object({
    name: z.string(),
    vmstore: z.string(),
    /** Whether it has a place in the VM store; a stateless one only runs. */
    stored: z.boolean(),
    /** The images of its disks by their names, the first disk's first, and the files that QEMU has open. */
    images: z.array(z.string()).readonly(),
    files: z.array(z.string()).readonly(),
    /** What its serial console has said so far. */
    serialLog: z.string().optional(),
    /** When it was booted, as ISO time. */
    since: z.string(),
    /** The private directory of its owner. */
    run: z.string(),
    /** The transient that runs it, and its QEMU. */
    owner: processIdentity(),
    qemu: processIdentity(),
    /** How it is reached over ssh: a port of 127.0.0.1, and what its owner would use there. */
    ssh: z
      .object({
        port: z.int(),
        /** The socket of a login that sessions can share (ssh_config(5), ControlPath), where that is the only way in. */
        sharedLogin: z.string().optional(),
        user: z.string(),
        program: z.string(),
        options: z.array(z.string()).readonly(),
        /** The private key that the guest may have been given. */
        loginKey: z.string().default(''),
      })
      .optional(),
    /** Ports of the host that lead to ports of the guest. */
    forwards: z
      .array(
        z.object({ address: z.string(), host: z.int(), guest: z.int(), protocol: z.enum(['tcp', 'udp']) }),
      )
      .readonly()
      .default([]),
  }),
);

/** A VM that runs, as its owner tells of it. */
export type RunningVm = z.infer<ReturnType<typeof runningVm>> & {
  /** What its owner keeps for this machine alone, and removes with it. */
  readonly directory: string;
};

const hold = lazily(() =>
  z.object({
    name: z.string(),
    vmstore: z.string(),
    purpose: z.enum(['run', 'commit', 'copy']),
    since: z.string(),
    run: z.string(),
    owner: processIdentity(),
  }),
);

/** A VM of a store that a process has for itself, running or not. */
export type Hold = z.infer<ReturnType<typeof hold>>;

/** Tells other processes of a machine; the record is gone with the machine's directory. */
export async function publish(
  directory: string,
  qemuPid: number,
  facts: Omit<RunningVm, 'owner' | 'qemu' | 'run' | 'directory'>,
): Promise<void> {
  const [owner, qemu] = [identityOf(process.pid), identityOf(qemuPid)];
  // a QEMU that has ended already is not to be found by anybody
  if (owner === undefined || qemu === undefined) return;
  await writeRecord(directory, RECORD, { ...facts, run: dirname(directory), owner, qemu });
}

/** Tells other processes that we have a VM of a store for ourselves; returns how that is taken back. */
export async function publishHold(
  runDirectory: string,
  vm: Pick<Hold, 'name' | 'vmstore' | 'purpose'>,
): Promise<() => Promise<void>> {
  const owner = identityOf(process.pid);
  const name = `${HOLD}${++holds}.json`;
  await writeRecord(runDirectory, name, { ...vm, since: new Date().toISOString(), run: runDirectory, owner });
  return () => rm(join(runDirectory, name), { force: true });
}

let holds = 0;

/** Notes that an owner has been asked to end its VMs; false where somebody asked before, and a second time means more. */
export async function askedFirst({ run }: Pick<RunningVm, 'run'>): Promise<boolean> {
  return writeFile(join(run, 'asked'), '', { flag: 'wx' }).then(
    () => true,
    (error: unknown) => errorCode(error) !== 'EEXIST',
  );
}

/** The VMs of a store that run now, by name. */
export async function runningVms(environment: NodeJS.ProcessEnv, vmstore: string): Promise<RunningVm[]> {
  const here = ofStore(await allRunningVms(environment), vmstore);
  return here.sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** The VMs of this user that run now, whatever their store. A record whose owner or QEMU is gone is not believed. */
export function allRunningVms(environment: NodeJS.ProcessEnv): Promise<RunningVm[]> {
  const vms = runDirectories(environment)
    .flatMap(machinesIn)
    .map((directory) => {
      const record = readRecord(join(directory, RECORD), runningVm);
      return record && { ...record, directory };
    });
  const alive = vms.filter((vm) => vm !== undefined).filter((vm) => isAlive(vm.owner) && isAlive(vm.qemu));
  return Promise.resolve(alive);
}

/** Who holds a VM of a store, as far as its holder is a transient of this user on this kernel. */
export function holderOf(
  environment: NodeJS.ProcessEnv,
  vmstore: string,
  name: string,
): Promise<Hold | undefined> {
  const files = runDirectories(environment).flatMap((run) =>
    namesIn(run)
      .filter((file) => file.startsWith(HOLD))
      .map((file) => join(run, file)),
  );
  const found = files.map((file) => readRecord(file, hold));
  const alive = found.filter((one) => one?.name === name && isAlive(one.owner));
  return Promise.resolve(ofStore(alive, vmstore)[0]);
}

function machinesIn(run: string): string[] {
  return namesIn(run)
    .filter((name) => /^\d+$/.test(name))
    .map((name) => join(run, name));
}

function ofStore<T extends { vmstore: string }>(vms: readonly (T | undefined)[], vmstore: string): T[] {
  const wanted = real(vmstore);
  return vms.filter((vm) => vm !== undefined).filter((vm) => real(vm.vmstore) === wanted);
}

function real(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return resolve(path);
  }
}
