import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { readCommandLine } from '../fakes/qemu/command-line.ts';
import { disk } from '../rig/disks.ts';
import type { Rig } from '../rig/rig.ts';

const IMAGE = disk('qcow2');

/** Fields of `ps -a --json` that these tests use. */
export interface Row {
  readonly name: string;
  readonly images: readonly string[];
  readonly status: string;
  readonly stored: boolean;
}

/** A QEMU that lives, or is about to: the programs on the way to it have its arguments already. */
export interface LivingQemu {
  readonly pid: number;
  readonly disks: readonly string[];
}

/** The VMs of the rig's store, running or not. */
export async function listed(rig: Rig): Promise<Row[]> {
  const { exitCode, stdout } = await rig.run(['ps', '-a', '--json']);
  expect(exitCode).toBe(0);
  return JSON.parse(stdout.text) as Row[];
}

/** Lists the VMs being created or removed in the rig's store, as paths below `.transient`. */
export function unfinishedVms(rig: Rig): string[] {
  return ['creating', 'removed'].flatMap((what) => {
    const directory = join(rig.vmstore, '.transient', what);
    return existsSync(directory) ? readdirSync(directory).map((name) => join(what, name)) : [];
  });
}

/** A run directory whose maker died before it had its lock is swept a while later only: let that while be over. */
export function ageNewborns(rig: Rig): void {
  const base = join(rig.runtime, 'transient');
  if (!existsSync(base)) return;
  for (const name of readdirSync(base)) if (name.startsWith('new-')) utimesSync(join(base, name), 0, 0);
}

/** Checks that after a kill the VM works, or does not exist and can be created. */
export async function expectSound(rig: Rig): Promise<string> {
  const rows = await listed(rig);
  const isThere = rows.length > 0;
  if (isThere) expect(rows).toMatchObject([{ name: 'vm', images: ['test'], status: 'offline' }]);
  const started = await rig.run(['start', 'vm', '--cmd', 'true']);
  expect(started.exitCode).toBe(isThere ? 0 : 1);
  if (!isThere) {
    expect(started.stderr.text).toContain("No VM with name 'vm' found");
    await createVm(rig);
  }
  expect((await rig.run(['rm', 'vm'])).exitCode).toBe(0);
  expect(unfinishedVms(rig)).toEqual([]);
  expect(rig.leftovers()).toEqual([]);
  return isThere ? 'a VM' : 'no VM';
}

/** A VM over an image with something in it. */
export async function makeVm(rig: Rig): Promise<void> {
  writeFileSync(join(rig.backend, 'test'), IMAGE, { mode: 0o444 });
  await createVm(rig);
}

export async function createVm(rig: Rig): Promise<void> {
  expect((await rig.run(['create', 'test', '--name', 'vm'])).exitCode).toBe(0);
}

/** Writes to the VM's disk, as its guest would. */
export function changeDisk(rig: Rig): void {
  execFileSync('qemu-io', ['-c', 'write -q -P 7 4k 128k', diskOf(rig)]);
}

/** Checks that after a commit the image `copy` is complete or missing, and the VM can be committed. */
export async function expectWhole(rig: Rig): Promise<void> {
  const isThere = rig.images.includes('copy');
  if (isThere) expectSame(rig, 'copy');
  const another = isThere ? 'another' : 'copy';
  expect((await rig.run(['commit', 'vm', another])).exitCode).toBe(0);
  expectSame(rig, another);
}

function diskOf(rig: Rig): string {
  return join(rig.vmstore, 'vm', 'vm-0-test');
}

/** Whether an image is whole, and shows what the VM's disk does. */
function expectSame(rig: Rig, image: string): void {
  const copy = join(rig.backend, image);
  execFileSync('qemu-img', ['check', '-q', '-f', 'qcow2', copy]);
  execFileSync('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'qcow2', diskOf(rig), copy]);
}

/** The QEMUs that have disks of a store. */
export function livingQemus(vmstore: string, pids: readonly number[] = allPids()): LivingQemu[] {
  return pids
    .map((pid) => ({ pid, disks: readCommandLine(argumentsOf(pid)).disks }))
    .filter(({ disks }) => disks.some((disk) => dirname(dirname(disk)) === vmstore));
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The arguments of a process; none of one that is gone or about to be. */
export function argumentsOf(pid: number): string[] {
  return procFile(pid, 'cmdline').split('\0').slice(0, -1);
}

export function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(procFile(pid, 'status'))?.[1] ?? 0);
}

function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
