import type { Socket } from 'node:net';
import * as z from 'zod';
import { eachLine } from '../host/lines.ts';
import { lazily } from '../lazily.ts';
import type { SupervisedVm } from '../plan/project.ts';
import type { Plan } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import { TransientError } from '../problem.ts';

/** Version of the messages and of the plans in them, increased on incompatible changes. */
export const PROTOCOL_VERSION = 1;

/** Problem of a client and a supervisor that speak different versions. */
export const OTHER_VERSION: Problem = {
  reason: 'conflict',
  message: 'the project was started by another version of transient',
  hint: 'use that version, or stop the project and start it again: transient down --kill',
};

/** Name of the socket in a supervisor's run directory. */
export const SOCKET = 'control';

/** Maximum length of a message, in bytes. */
const MAX_MESSAGE = 64 * 1024 * 1024;

const requestedVm = lazily(() =>
  z.object({
    name: z.string(),
    instance: z.string(),
    digest: z.string(),
    dependsOn: z.array(z.string()).readonly(),
  }),
);

/** Schema of a VM of a detached project. */
export const supervisedVm = lazily<z.ZodType<SupervisedVm>>(() =>
  requestedVm().extend({ state: z.enum(['starting', 'running', 'done', 'failed', 'ended']) }),
);

/** A VM that a request starts. */
export type RequestedVm = Omit<SupervisedVm, 'state'>;

/** Request to a supervisor: a plan, and the VMs it starts. */
export interface Request {
  readonly plan: Plan;
  readonly vms: readonly RequestedVm[];
}

/** Frame of a plan; the version vouches for the fields of each kind of step. */
const plan = lazily(() =>
  z
    .looseObject({
      steps: z.array(
        z.looseObject({
          id: z.string(),
          kind: z.string(),
          title: z.string(),
          vm: z.string().optional(),
          needs: z.array(z.string()),
          after: z.array(z.string()),
        }),
      ),
      foreground: z.array(z.string()),
      exitFrom: z.array(z.string()),
    })
    .transform((value) => value as unknown as Plan),
);

const request = lazily(() =>
  z.object({
    version: z.literal(PROTOCOL_VERSION),
    plan: plan(),
    vms: z.array(requestedVm()).readonly(),
  }),
);

/** Parses a request; throws if it is malformed, or if the client speaks another version of the protocol. */
export function parseRequest(line: string): Request {
  const message = JSON.parse(line) as Partial<Record<string, unknown>> | null;
  if (message?.['version'] !== PROTOCOL_VERSION) throw new TransientError(OTHER_VERSION);
  const parsed = request().safeParse(message);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`malformed request: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

/** Formats a request for {@link parseRequest}. */
export function formatRequest({ plan, vms }: Request): string {
  return `${JSON.stringify({ version: PROTOCOL_VERSION, plan, vms })}\n`;
}

const event = lazily(() =>
  z.union([
    z.object({ accepted: z.literal(true) }),
    z.object({ line: z.string() }),
    z.object({ output: z.string() }),
    z.object({ exit: z.int() }),
  ]),
);

/** Message of a supervisor: acceptance, a line of text, bytes of a guest's stdout (base64), or the exit code. */
export type SupervisorEvent = z.infer<ReturnType<typeof event>>;

/** Parses an event; throws if it is none. */
export function parseEvent(line: string): SupervisorEvent {
  return event().parse(JSON.parse(line));
}

/** Calls `onLine` for each message on a connection, one per line; `onTooLong` for one that exceeds the limit. */
export function eachMessage(socket: Socket, onLine: (line: string) => void, onTooLong: () => void): void {
  eachLine(socket, MAX_MESSAGE, onLine, onTooLong);
}
