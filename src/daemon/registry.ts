import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { processIdentity } from '../host/process-identity-schema.ts';
import { identityOf, isAlive } from '../host/process-identity.ts';
import { namesIn, readRecord, runDirectories, writeRecord } from '../host/records.ts';
import { PROJECT_LOCK, runtimeBases } from '../host/run-directory.ts';
import { lazily } from '../lazily.ts';
import { PROTOCOL_VERSION, supervisedVm } from './protocol.ts';

const RECORD = 'project.json';

/** Name of the log in a supervisor's run directory with its output and that of its VMs. */
export const SUPERVISOR_LOG = 'log';

const projectRecord = lazily(() =>
  z.object({
    /** Real path of the Transientfile. */
    file: z.string(),
    project: z.string(),
    /** Run directory of the supervisor. */
    run: z.string(),
    owner: processIdentity(),
    /** Version of the protocol it speaks; 0 before there were versions. */
    protocol: z.int().default(0),
    vms: z.array(supervisedVm()).readonly(),
  }),
);

/** Record of a detached project. */
export type ProjectRecord = z.infer<ReturnType<typeof projectRecord>>;

/** Publishes the record of our project. */
export async function publishProject(
  run: string,
  facts: Pick<ProjectRecord, 'file' | 'project' | 'vms'>,
): Promise<void> {
  const owner = identityOf(process.pid);
  await writeRecord(run, RECORD, { ...facts, run, owner, protocol: PROTOCOL_VERSION });
}

/** Record of the project of a Transientfile, if its supervisor is alive. */
export function findProject(environment: NodeJS.ProcessEnv, file: string): ProjectRecord | undefined {
  return allProjects(environment).find((project) => project.file === file);
}

/** Name of the directory next to the run directories that keeps the record of an ended project. */
export function endedName(file: string): string {
  return `ended-${keyOf(file)}`;
}

/** Name of a supervisor's lock next to the run directories. */
export function projectLockName(file: string): string {
  return `${PROJECT_LOCK}${keyOf(file)}`;
}

function keyOf(file: string): string {
  return createHash('sha256').update(file).digest('hex').slice(0, 16);
}

/** Record of a project whose VMs ended by themselves, kept until it is reported. */
export function endedProject(environment: NodeJS.ProcessEnv, file: string): ProjectRecord | undefined {
  const found = runtimeBases(environment).map((base) => readEnded(join(base, endedName(file))));
  return found.find((project) => project !== undefined);
}

/** Records of all ended projects. */
function endedProjects(environment: NodeJS.ProcessEnv): ProjectRecord[] {
  const directories = runtimeBases(environment).flatMap((base) =>
    namesIn(base)
      .filter((name) => name.startsWith('ended-'))
      .map((name) => join(base, name)),
  );
  return directories.map(readEnded).filter((project) => project !== undefined);
}

function readEnded(directory: string): ProjectRecord | undefined {
  const record = readRecord(join(directory, RECORD), projectRecord);
  return record && { ...record, run: directory };
}

/** Removes the record of an ended project. */
export async function forgetEnded(environment: NodeJS.ProcessEnv, file: string): Promise<void> {
  const ended = endedProject(environment, file);
  if (ended) await rm(ended.run, { recursive: true, force: true });
}

/** Instance names of VMs of all projects, including ended ones, that were up and ended by themselves. */
export function endedVms(environment: NodeJS.ProcessEnv): string[] {
  const projects = [...allProjects(environment), ...endedProjects(environment)];
  const ended = projects.flatMap(({ vms }) => vms.filter(({ state }) => state === 'ended'));
  return ended.map(({ instance }) => instance);
}

/** Record of the project supervised by a process, if any. */
export function projectOf(environment: NodeJS.ProcessEnv, pid: number): ProjectRecord | undefined {
  return allProjects(environment).find((project) => project.owner.pid === pid);
}

function allProjects(environment: NodeJS.ProcessEnv): ProjectRecord[] {
  const found = runDirectories(environment).map((run) => readRecord(join(run, RECORD), projectRecord));
  const valid = found.filter((project) => project !== undefined);
  return valid.filter((project) => isAlive(project.owner));
}
