import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HOST_KEY_ALIAS } from '../config/seed-spec.ts';
import { writeDurably } from '../host/durable.ts';
import { exists } from '../host/exists.ts';
import { keyPathsOf } from '../host/store-layout.ts';
import type { Executors, FindDisks, FindSeed, Seed } from '../plan/executor.ts';
import type { CreateSeed, RemoveSeed } from '../plan/step.ts';
import { TransientError, systemMessage } from '../problem.ts';
import { seedImage } from './image.ts';
import type { KeyPair } from '../host/key-pair.ts';
import { keyPairIn } from '../host/key-pair.ts';

/** Paths of the keys of a VM. */
type KeyPaths = ReturnType<typeof keyPathsOf>;

/** Keys and images are readable by their user only: sshd(8) and ssh(1) reject others. */
const PRIVATE = 0o600;

/** Seeds of this process by VM. */
export class Seeds {
  readonly executors: Pick<Executors, 'seed.create' | 'seed.remove'> = {
    'seed.create': async (step) => this.#create(step),
    'seed.remove': async (step) => this.#remove(step),
  };
  readonly #runDirectory: string;
  readonly #disksOf: FindDisks;
  readonly #directories = new Map<string, string>();
  readonly #seeds = new Map<string, Seed>();
  #count = 0;

  /** `runDirectory` is the private directory of this process. */
  constructor(runDirectory: string, disksOf: FindDisks) {
    this.#runDirectory = runDirectory;
    this.#disksOf = disksOf;
  }

  /** Seed of a VM; undefined for one without. */
  readonly find: FindSeed = (vm) => this.#seeds.get(vm);

  async #create(step: CreateSeed): Promise<void> {
    const directory = join(this.#runDirectory, `seed-${++this.#count}`);
    this.#directories.set(step.vm, directory);
    await mkdir(directory, { mode: 0o700 });
    const paths = keyPathsFor(step, directory, this.#disksOf);
    this.#seeds.set(step.vm, await seedIn(directory, paths, step));
  }

  async #remove({ vm }: RemoveSeed): Promise<void> {
    const directory = this.#directories.get(vm);
    this.#directories.delete(vm);
    this.#seeds.delete(vm);
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

/** Keys of a stored VM stay with it; those of others are thrown away with the seed. */
function keyPathsFor({ vm, disks }: CreateSeed, directory: string, disksOf: FindDisks): KeyPaths {
  if (disks === 'stored') return keyPathsOf(dirname(disksOf(vm)[0] ?? ''));
  const path = (name: string): string => join(directory, name);
  return { loginKey: path('login-key'), hostKey: path('host-key'), knownHosts: path('known-hosts') };
}

/** The private host key exists until the guest has it: then no further boot needs the image. */
async function seedIn(directory: string, paths: KeyPaths, step: CreateSeed): Promise<Seed> {
  const { loginKey, hostKey, knownHosts } = paths;
  const isApplied = (await exists(knownHosts)) && !(await exists(hostKey));
  const image = isApplied ? undefined : join(directory, 'seed.iso');
  if (image !== undefined) await writeFile(image, await imageOf(step, paths), { mode: PRIVATE });
  return { loginKey, knownHosts, image, applied: () => rm(hostKey, { force: true }) };
}

async function imageOf(step: CreateSeed, { loginKey, hostKey, knownHosts }: KeyPaths): Promise<Buffer> {
  const userData = await userDataOf(step);
  const login = await keyPairIn(loginKey);
  const host = await keyPairIn(hostKey);
  await writeDurably(knownHosts, `${HOST_KEY_ALIAS} ${host.public}\n`, PRIVATE);
  return seedImage({
    hostname: step.hostname,
    instanceId: instanceIdOf(host),
    user: step.user,
    guest: step.guest,
    loginKey: login.public,
    hostKey: host,
    cards: step.cards,
    userData,
  });
}

/** Instance ID that lasts as long as the host key: cloud-init sets up a copy of the disk again, for which another is made. */
function instanceIdOf(host: KeyPair): string {
  return `transient-${createHash('sha256').update(host.public).digest('hex').slice(0, 16)}`;
}

async function userDataOf({ userData }: CreateSeed): Promise<Buffer | undefined> {
  if (userData === undefined) return undefined;
  return readFile(userData).catch((cause: unknown) => {
    throw new TransientError(
      {
        reason: 'unreadable',
        message: `cannot read the user-data ${userData}: ${systemMessage(cause)}`,
        hint: 'set user-data to a file for cloud-init, such as a cloud-config',
      },
      { cause },
    );
  });
}
