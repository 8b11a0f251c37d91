import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { TransientError, problemOf } from '../problem.ts';
import { patience, within } from './deadline.ts';
import { eachLine } from './lines.ts';
import { processIdentity } from './process-identity-schema.ts';
import { isAlive, identityOf } from './process-identity.ts';
import { namesIn, readRecord, runDirectories, writeRecord } from './records.ts';
import { PROJECT_LOCK, runtimeBases } from './run-directory.ts';

const RECORD = 'project.json';
const SOCKET = 'control';

/** Name of the log in a supervisor's run directory with its output and that of its VMs. */
export const SUPERVISOR_LOG = 'log';

const supervisedVm = lazily(() =>
  z.object({
    /** Its name in the file, and its instance name. */
    name: z.string(),
    instance: z.string(),
    /** Digest of its configuration. */
    digest: z.string(),
    /** VMs that are stopped after it. */
    dependsOn: z.array(z.string()).readonly(),
    state: z.enum(['starting', 'running', 'done', 'failed', 'ended']),
  }),
);

export type SupervisedVm = z.infer<ReturnType<typeof supervisedVm>>;

const projectRecord = lazily(() =>
  z.object({
    /** Real path of the Transientfile. */
    file: z.string(),
    project: z.string(),
    /** Run directory of the supervisor. */
    run: z.string(),
    owner: processIdentity(),
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
  await writeRecord(run, RECORD, { ...facts, run, owner: identityOf(process.pid) });
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

/** VMs of all projects, including ended ones, that were up and ended by themselves. */
export function endedVms(environment: NodeJS.ProcessEnv): SupervisedVm[] {
  const projects = [...allProjects(environment), ...endedProjects(environment)];
  return projects.flatMap(({ vms }) => vms.filter(({ state }) => state === 'ended'));
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

const event = lazily(() =>
  z.union([
    z.object({ accepted: z.literal(true) }),
    z.object({ line: z.string() }),
    z.object({ output: z.string() }),
    z.object({ exit: z.int() }),
  ]),
);

/** Message from a supervisor to a client: acceptance, a line of text, bytes of a guest's stdout (base64), or the exit code. */
export type ProjectEvent = z.infer<ReturnType<typeof event>>;

/** Maximum length of a request, in bytes. */
const LONGEST = 64 * 1024 * 1024;

/** Handles one request; the signal is aborted when the client disconnects. */
export type AnswerProject = (
  request: unknown,
  send: (event: ProjectEvent) => void,
  disconnected: AbortSignal,
) => Promise<number>;

/** Error for a supervisor that does not accept a request. */
export class SupervisorDeaf extends TransientError {
  constructor(pid: number | undefined) {
    super({
      reason: 'host',
      message: `${pid === undefined ? 'the process that runs the project' : `process ${pid}, which runs the project,`} did not answer within ${patience('supervisor-answer') / 1000} s`,
      hint: 'it may be stopped (^Z) or hanging; "transient down --kill" kills it and its VMs',
    });
  }
}

/** Serves requests, one line of JSON each, on a socket that only this user can access. */
export async function serveProject(run: string, answer: AnswerProject): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket, answer));
  const path = join(run, SOCKET);
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

async function serve(socket: Socket, answer: AnswerProject): Promise<void> {
  const disconnected = new AbortController();
  socket.on('error', () => undefined);
  // the client may have disconnected
  for (const leaving of ['end', 'close']) socket.on(leaving, () => disconnected.abort());
  const send = (event: ProjectEvent): void => void socket.write(`${JSON.stringify(event)}\n`);
  try {
    const request: unknown = JSON.parse(await firstLine(socket));
    send({ accepted: true });
    send({ exit: await answer(request, send, disconnected.signal) });
  } catch (error) {
    const { message, hint } = problemOf(error);
    send({ line: `error: ${message}` });
    if (hint !== undefined) send({ line: `  hint: ${hint}` });
    send({ exit: 1 });
  } finally {
    socket.end();
  }
}

async function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    eachLine(socket, LONGEST, resolve, () => reject(new Error('the request is too long')));
    socket.once('close', () => reject(new Error('nothing was asked')));
  });
}

/** Sends a request to a supervisor and returns its exit code; an abort cancels the request. */
export async function askProject(
  { run, owner }: Pick<ProjectRecord, 'run'> & Partial<Pick<ProjectRecord, 'owner'>>,
  request: unknown,
  hear: (event: ProjectEvent) => void,
  signal?: AbortSignal,
): Promise<number> {
  signal?.throwIfAborted();
  const socket = createConnection(join(run, SOCKET));
  const leave = (): void => void socket.destroy();
  signal?.addEventListener('abort', leave, { once: true });
  let lost: Error | undefined;
  socket.on('error', (error) => (lost = error));
  socket.write(`${JSON.stringify(request)}\n`);
  let exit: number | undefined;
  using hearing = within(undefined, patience('supervisor-answer'));
  hearing.signal.addEventListener('abort', leave, { once: true });
  const take = (line: string): void => {
    hearing[Symbol.dispose]();
    const news = event().parse(JSON.parse(line));
    if ('exit' in news) exit = news.exit;
    else hear(news);
  };
  eachLine(socket, LONGEST, take, leave);
  await new Promise<void>((resolve) => socket.once('close', resolve));
  signal?.removeEventListener('abort', leave);
  signal?.throwIfAborted();
  if (exit !== undefined) return exit;
  if (hearing.expired) throw new SupervisorDeaf(owner?.pid);
  throw new TransientError(
    {
      reason: 'host',
      message: 'the process that runs the project exited before it answered',
      hint: 'run the same command again',
    },
    { cause: lost },
  );
}
