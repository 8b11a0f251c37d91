import { realpathSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { errorCode } from '../problem.ts';
import { processIdentity } from './process-identity-schema.ts';
import { isAlive, identityOf } from './process-identity.ts';
import { namesIn, readRecord, runDirectories, writeRecord } from './records.ts';

/** Name of the record in a machine's directory for other processes. */
const RECORD = 'vm.json';

/** Prefix of files in a run directory that record stored VMs locked by its process. */
const HOLD = 'hold-';

const runningVm = lazily(() =>
  z.object({
    name: z.string(),
    vmstore: z.string(),
    /** Whether it is stored in the VM store. */
    stored: z.boolean(),
    /** Names of the images of its disks, in order, and the files that QEMU has open. */
    images: z.array(z.string()).readonly(),
    files: z.array(z.string()).readonly(),
    /** Path of its serial log. */
    serialLog: z.string().optional(),
    /** When it was booted, as ISO time. */
    since: z.string(),
    /** Run directory of its owner. */
    run: z.string(),
    /** The transient process that runs it, and its QEMU. */
    owner: processIdentity(),
    qemu: processIdentity(),
    /** Ssh access: a port on 127.0.0.1, and its owner's settings. */
    ssh: z
      .object({
        port: z.int(),
        /** Socket of a shared login (ssh_config(5), ControlPath), if the port is closed. */
        sharedLogin: z.string().optional(),
        user: z.string(),
        program: z.string(),
        options: z.array(z.string()).readonly(),
        /** Private key that may have been generated for the guest. */
        loginKey: z.string().default(''),
        /** File with the guest's host key, if that is known from a seed. */
        knownHosts: z.string().optional(),
      })
      .optional(),
    /** Host ports forwarded to the guest. */
    forwards: z
      .array(
        z.object({ address: z.string(), host: z.int(), guest: z.int(), protocol: z.enum(['tcp', 'udp']) }),
      )
      .readonly()
      .default([]),
  }),
);

/** Record of a running VM, written by its owner. */
export type RunningVm = z.infer<ReturnType<typeof runningVm>> & {
  /** Directory of the machine, removed with it by its owner. */
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

/** A stored VM locked by a process, running or not. */
export type Hold = z.infer<ReturnType<typeof hold>>;

/** Publishes the record of a machine, removed together with the machine's directory. */
export async function publish(
  directory: string,
  qemuPid: number,
  facts: Omit<RunningVm, 'owner' | 'qemu' | 'run' | 'directory'>,
): Promise<void> {
  const [owner, qemu] = [identityOf(process.pid), identityOf(qemuPid)];
  // a QEMU that has exited already is not published
  if (owner === undefined || qemu === undefined) return;
  await writeRecord(directory, RECORD, { ...facts, run: dirname(directory), owner, qemu });
}

/** Publishes that we have locked a stored VM; returns a function to retract it. */
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

/** Records that an owner has been asked to stop its VMs; false if it was asked before, since a second signal kills. */
export async function askedFirst({ run }: Pick<RunningVm, 'run'>): Promise<boolean> {
  return writeFile(join(run, 'asked'), '', { flag: 'wx' }).then(
    () => true,
    (error: unknown) => errorCode(error) !== 'EEXIST',
  );
}

/** Running VMs of a store, sorted by name. */
export function runningVms(environment: NodeJS.ProcessEnv, vmstore: string): RunningVm[] {
  const here = ofStore(allRunningVms(environment), vmstore);
  return here.sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** Running VMs of this user in any store. Records whose owner or QEMU has exited are ignored. */
export function allRunningVms(environment: NodeJS.ProcessEnv): RunningVm[] {
  const vms = runDirectories(environment)
    .flatMap(machinesIn)
    .map((directory) => {
      const record = readRecord(join(directory, RECORD), runningVm);
      return record && { ...record, directory };
    });
  return vms.filter((vm) => vm !== undefined).filter((vm) => isAlive(vm.owner) && isAlive(vm.qemu));
}

/** Holder of a stored VM, if it is a transient process of this user on this kernel. */
export function holderOf(environment: NodeJS.ProcessEnv, vmstore: string, name: string): Hold | undefined {
  const files = runDirectories(environment).flatMap((run) =>
    namesIn(run)
      .filter((file) => file.startsWith(HOLD))
      .map((file) => join(run, file)),
  );
  const found = files.map((file) => readRecord(file, hold));
  const alive = found.filter((one) => one?.name === name && isAlive(one.owner));
  return ofStore(alive, vmstore)[0];
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
