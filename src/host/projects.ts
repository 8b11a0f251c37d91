import { rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { TransientError, problemOf } from '../problem.ts';
import { processMark } from './process-mark-schema.ts';
import { isAlive, markOf } from './process-mark.ts';
import { readRecord, runDirectories, writeRecord } from './records.ts';

const RECORD = 'project.json';
const SOCKET = 'control';

/** Name of the file in a supervisor's run directory that has all that its VMs and it itself said. */
export const SUPERVISOR_LOG = 'log';

const supervisedVm = z.object({
  /** Its name in the file, and the one that it has while it runs. */
  name: z.string(),
  instance: z.string(),
  /** Changes when what the file says of it does. */
  digest: z.string(),
  /** VMs that are ended after it. */
  dependsOn: z.array(z.string()).readonly(),
  /** `done`: its command ended with 0, or it has ended by itself; it is gone. */
  state: z.enum(['starting', 'running', 'done', 'failed']),
});

export type SupervisedVm = z.infer<typeof supervisedVm>;

const projectRecord = z.object({
  /** The Transientfile, without links. */
  file: z.string(),
  project: z.string(),
  /** The private directory of the supervisor. */
  run: z.string(),
  owner: processMark,
  vms: z.array(supervisedVm).readonly(),
});

/** A project whose VMs a process of its own runs. */
export type ProjectRecord = z.infer<typeof projectRecord>;

/** Tells other processes of the project that we run. */
export async function publishProject(
  run: string,
  facts: Pick<ProjectRecord, 'file' | 'project' | 'vms'>,
): Promise<void> {
  await writeRecord(run, RECORD, { ...facts, run, owner: markOf(process.pid) });
}

/** The supervisor of a Transientfile, if one lives. */
export async function findProject(
  environment: NodeJS.ProcessEnv,
  file: string,
): Promise<ProjectRecord | undefined> {
  return (await allProjects(environment)).find((project) => project.file === file);
}

/** The supervisor that a process is, if it is one. */
export async function projectOf(
  environment: NodeJS.ProcessEnv,
  pid: number,
): Promise<ProjectRecord | undefined> {
  return (await allProjects(environment)).find((project) => project.owner.pid === pid);
}

async function allProjects(environment: NodeJS.ProcessEnv): Promise<ProjectRecord[]> {
  const runs = await runDirectories(environment);
  const found = await Promise.all(runs.map((run) => readRecord(join(run, RECORD), projectRecord)));
  return found.filter((project) => project !== undefined).filter((project) => isAlive(project.owner));
}

const event = z.union([
  z.object({ line: z.string() }),
  z.object({ output: z.string() }),
  z.object({ exit: z.int() }),
]);

/** What a supervisor tells whoever asked it: a line for people, bytes of a guest's stdout (base64), and the end. */
export type ProjectEvent = z.infer<typeof event>;

/** Answers one request; whoever asked may leave, which aborts the signal. */
export type AnswerProject = (
  request: unknown,
  tell: (event: ProjectEvent) => void,
  gone: AbortSignal,
) => Promise<number>;

/** Takes requests, a JSON text in a line each, on a socket that only this user can reach. */
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
  const gone = new AbortController();
  socket.on('error', () => undefined);
  // who has left hears no answer
  for (const leaving of ['end', 'close']) socket.on(leaving, () => gone.abort());
  const tell = (said: ProjectEvent): void => void socket.write(`${JSON.stringify(said)}\n`);
  try {
    const { value: line } = (await createInterface({ input: socket })[Symbol.asyncIterator]().next()) as {
      value?: string;
    };
    tell({ exit: await answer(JSON.parse(line ?? ''), tell, gone.signal) });
  } catch (error) {
    const { message, hint } = problemOf(error);
    tell({ line: `error: ${message}` });
    if (hint !== undefined) tell({ line: `  hint: ${hint}` });
    tell({ exit: 1 });
  } finally {
    socket.end();
  }
}

/** Asks a supervisor for something and returns its exit code; leaving in the middle breaks off what was asked for. */
export async function askProject(
  { run }: Pick<ProjectRecord, 'run'>,
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
  createInterface({ input: socket }).on('line', (line) => {
    const said = event.parse(JSON.parse(line));
    if ('exit' in said) exit = said.exit;
    else hear(said);
  });
  await new Promise<void>((resolve) => socket.once('close', resolve));
  signal?.removeEventListener('abort', leave);
  signal?.throwIfAborted();
  if (exit !== undefined) return exit;
  throw new TransientError(
    {
      reason: 'host',
      message: 'the process that runs the project has ended before it answered',
      hint: 'run the same command again',
    },
    { cause: lost },
  );
}
