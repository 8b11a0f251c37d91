import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { VAGRANT_PRIVATE_KEY } from '../../src/guest/vagrant-key.ts';
import type { Surroundings } from './command.ts';
import { timed } from './command.ts';

/** Stores, an image and a key of their own for one run of the benchmark. */
export interface World extends Surroundings {
  /** The program as its user types it. */
  readonly transient: readonly string[];
  /** File of the tiny guest's image, as scripts/guest-image makes it. */
  readonly guestFile: string;
  /** Its name in the backend, where it lies already. */
  readonly guest: string;
  readonly backend: string;
  readonly keyFile: string;
  readonly remove: () => void;
}

/** Flags of every guest in the benchmark. */
export const MACHINE = ['--accel', 'tcg', '--memory', '512M', '--cpus', '2', '--ssh-timeout', '300'];

export async function makeWorld(): Promise<World> {
  const cwd = mkdtempSync(join(tmpdir(), 'transient-bench-'));
  const guestFile = execFileSync('scripts/guest-image', ['tiny'], { encoding: 'utf8' }).trim();
  const [backend, keyFile] = [join(cwd, 'backend'), join(cwd, 'key')];
  writeFileSync(keyFile, VAGRANT_PRIVATE_KEY, { mode: 0o600 });
  mkdirSync(join(cwd, 'run'), { mode: 0o700 });
  const env = {
    PATH: process.env['PATH'],
    HOME: cwd,
    // the builder VM is assembled once on a machine
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    XDG_RUNTIME_DIR: join(cwd, 'run'),
    TRANSIENT_BACKEND: backend,
    TRANSIENT_VMSTORE: join(cwd, 'vmstore'),
  };
  const transient = [process.execPath, resolve('dist/transient.js')];
  await timed([...transient, 'image', 'pull', `tiny,file=${guestFile}`], { cwd, env });
  return {
    cwd,
    env,
    transient,
    guestFile,
    guest: 'tiny',
    backend,
    keyFile,
    remove: () => rmSync(cwd, { recursive: true, force: true }),
  };
}
