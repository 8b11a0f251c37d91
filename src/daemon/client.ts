import { createConnection } from 'node:net';
import { join } from 'node:path';
import { patience, within } from '../host/deadline.ts';
import { TransientError } from '../problem.ts';
import type { Request, SupervisorEvent } from './protocol.ts';
import {
  OTHER_VERSION,
  PROTOCOL_VERSION,
  SOCKET,
  eachMessage,
  formatRequest,
  parseEvent,
} from './protocol.ts';
import type { ProjectRecord } from './registry.ts';

/** The supervisor of a project: its run directory, and the rest of its record if that is known. */
export type SupervisorAddress = Pick<ProjectRecord, 'run'> &
  Partial<Pick<ProjectRecord, 'owner' | 'protocol'>>;

/** Error for a supervisor that cannot be talked to. */
export class SupervisorUnreachable extends TransientError {}

/** Sends a request to a supervisor and returns its exit code; an abort cancels the request. */
export async function sendRequest(
  { run, owner, protocol = PROTOCOL_VERSION }: SupervisorAddress,
  request: Request,
  onEvent: (event: SupervisorEvent) => void,
  signal?: AbortSignal,
): Promise<number> {
  signal?.throwIfAborted();
  if (protocol !== PROTOCOL_VERSION) throw new SupervisorUnreachable(OTHER_VERSION);
  const socket = createConnection(join(run, SOCKET));
  const leave = (): void => void socket.destroy();
  signal?.addEventListener('abort', leave, { once: true });
  let lost: Error | undefined;
  socket.on('error', (error) => (lost = error));
  socket.write(formatRequest(request));
  let exit: number | undefined;
  using answering = within(undefined, patience('supervisor-answer'));
  answering.signal.addEventListener('abort', leave, { once: true });
  const take = (line: string): void => {
    answering[Symbol.dispose]();
    const event = parseEvent(line);
    if ('exit' in event) exit = event.exit;
    else onEvent(event);
  };
  eachMessage(socket, take, leave);
  await new Promise<void>((resolve) => socket.once('close', resolve));
  signal?.removeEventListener('abort', leave);
  signal?.throwIfAborted();
  if (exit !== undefined) return exit;
  if (answering.expired) throw unresponsive(owner?.pid);
  throw new TransientError(
    {
      reason: 'host',
      message: 'the process that runs the project exited before it answered',
      hint: 'run the same command again',
    },
    { cause: lost },
  );
}

function unresponsive(pid: number | undefined): SupervisorUnreachable {
  const who =
    pid === undefined ? 'the process that runs the project' : `process ${pid}, which runs the project,`;
  return new SupervisorUnreachable({
    reason: 'host',
    message: `${who} did not answer within ${patience('supervisor-answer') / 1000} s`,
    hint: 'it may be stopped (^Z) or hanging; "transient down --kill" kills it and its VMs',
  });
}
