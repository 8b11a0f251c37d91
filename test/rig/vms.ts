import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { encodeName } from '../../src/host/store-layout.ts';
import type { Program } from './program.ts';
import type { Rig } from './rig.ts';

/** Option that avoids the warning on a host without KVM. */
export const TCG = ['--accel', 'tcg'];

/** Command in the guest of {@link running}: prints that it runs, and waits. */
export const STAYS = 'echo up; sleep 1000';

/** Starts what runs a VM, and returns once its guest has said so. */
export async function running(rig: Rig, args: readonly string[]): Promise<Program> {
  const program = rig.start([...args, ...TCG, '--cmd', STAYS]);
  await program.waitFor(/^up$/m, 'stdout');
  return program;
}

/** Asks it to end, and waits until it has. */
export async function end(program: Program): Promise<void> {
  program.signal('SIGTERM');
  await program.ended;
}

/** Creates a VM from an image named "test" and returns its name. */
export async function created(rig: Rig, name = 'vm', ...more: readonly string[]): Promise<string> {
  rig.stored();
  await succeeded(rig, ['create', 'test', '--name', name, ...more]);
  return name;
}

/** Runs the program, which must end with 0, and returns its stdout. */
export async function succeeded(
  rig: Rig,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await rig.run(args, { env });
  if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with ${exitCode ?? '?'}:\n${stderr.text}`);
  return stdout.text;
}

/** The names of the VMs in a store, as files. */
export function vmsIn(vmstore: string): string[] {
  if (!existsSync(vmstore)) return [];
  return readdirSync(vmstore)
    .filter((name) => !name.startsWith('.'))
    .sort();
}

/** All files of a store by their paths below it, with what is in them. */
export function storeFiles(vmstore: string): Record<string, string> {
  if (!existsSync(vmstore)) return {};
  const files = readdirSync(vmstore, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(
    paths.map((path) => [path.slice(vmstore.length + 1), readFileSync(path).toString('base64')]),
  );
}

/** A file of a VM's directory. */
export function vmFile(rig: Rig, vm: string, file: string): string {
  return join(rig.vmstore, encodeName(vm), file);
}

/** The text of a VM that the Python reads too. */
export function configOf(rig: Rig, vm: string): string {
  return readFileSync(vmFile(rig, vm, 'config'), 'utf8');
}

/** The text that only we read of a VM. */
export function oursOf(rig: Rig, vm: string): string {
  return readFileSync(join(rig.vmstore, '.transient/vms', `${encodeName(vm)}.toml`), 'utf8');
}

/** Output of `qemu-img info`, as far as it is of interest. */
export interface DiskInfo {
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'full-backing-filename'?: string;
  readonly 'backing-filename-format'?: string;
}

export function diskInfo(path: string): DiskInfo {
  const output = execFileSync('qemu-img', ['info', '--output=json', path], { encoding: 'utf8' });
  return JSON.parse(output) as DiskInfo;
}

/** Events of a machine that is shut down in order after its command. */
export const LIFE = ['start', 'command', 'powerdown', 'end'];

/** Events of fake QEMUs, without connections. */
export function livesOf(rig: Rig): string[] {
  return momentsOf(rig).filter((moment) => !['qmp', 'banner', 'login'].includes(moment));
}

/** Events of fake QEMUs, in order. */
export function momentsOf(rig: Rig): string[] {
  return rig.entries().map(({ moment }) => moment);
}

/** The values of a flag in a command line. */
export function valuesOf(argv: readonly string[] | undefined, flag: string): string[] {
  return (argv ?? []).filter((_value, index) => argv?.[index - 1] === flag);
}

/** The problems that stderr tells of, in no order. */
export function errorsOf(stderr: string): string[] {
  return [...stderr.matchAll(/error: (.*)$/gm)].map((match) => match[1] ?? '').sort();
}

/** The directories in which processes keep what is theirs alone. */
export function runDirectories(rig: Rig): string[] {
  const base = join(rig.runtime, 'transient');
  const names = existsSync(base) ? readdirSync(base).filter((name) => !name.startsWith('project-')) : [];
  return names.map((name) => join(base, name));
}
