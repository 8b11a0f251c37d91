import { lstat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CopySpec } from '../config/vm-spec.ts';
import { linked, patience } from '../host/deadline.ts';
import type { Space } from '../host/space.ts';
import { NoSpace } from '../host/space.ts';
import type { StepContext } from '../plan/executor.ts';
import { TransientError, systemMessage } from '../problem.ts';
import { copySpace } from './copy-space.ts';
import type { ScriptResult, GuestShell, ScriptOutput } from './guest-shell.ts';
import { MISSING, lookScript, packScript, placeScript, receiveScript } from './guest-scripts.ts';
import type { StagedCopy } from './staged-copy.ts';
import { openStagedCopy } from './staged-copy.ts';
import { rsyncIn, rsyncOut } from './rsync.ts';
import type { Owner, Source } from './tar.ts';
import { SAYS_FULL, packed, unpackInto } from './tar.ts';

type Context = Pick<StepContext, 'signal' | 'progress'>;

/** `runDirectory` is the private directory of this process, which names what a copy leaves when we are killed. */
type ContextOut = Context & Pick<StepContext, 'note'> & { readonly runDirectory: string };

/** Copies a file or directory of the host into a guest, as `cp -a` would but for the owner. */
export async function copyIn(
  { host, guest, rsync }: CopySpec,
  far: GuestShell,
  { signal, progress }: Context,
): Promise<void> {
  const source = await sourceOn(host);
  const name = basename(source.path);
  if (rsync) {
    const { owner, target } = await placeFor(guest, name, far, signal);
    return rsyncIn(source, target, owner, far, signal);
  }
  let target: string | undefined;
  const send = async (said: string): Promise<AsyncIterable<Buffer>> => {
    const place = placeIn(said);
    target = place.target;
    return counted(await packed(source, place.owner, far.gnuTar, signal), progress);
  };
  const answer = await far.send(receiveScript(guest, name, source.isDirectory, far), send, signal);
  if (answer.code === 0) return;
  if (target === undefined) throw refused(`cannot write to ${guest} in the guest`, answer);
  throw SAYS_FULL.test(answer.stderr)
    ? noSpace(target)
    : refused(`cannot write ${target} in the guest`, answer);
}

function noSpace(target: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `cannot write ${target} in the guest: no space left on its disk`,
    hint: 'copy less, or give the VM an image with a larger disk',
  });
}

/** Copies a file or directory of a guest to the host. */
export async function copyOut(copy: CopySpec, far: GuestShell, context: ContextOut): Promise<void> {
  const { host, guest } = copy;
  const looked = await far.run(lookScript(guest, far), context.signal);
  if (looked.code !== 0) throw missing(guest, looked);
  const kind = looked.stdout.trim();
  if (kind === 'special') throw isSpecial(guest);
  const landing = await openStagedCopy(host, guest, context.runDirectory);
  try {
    await land(copy, kind === 'yes', landing, far, context);
  } catch (error) {
    // what went wrong first is what is told
    await landing.remove().catch(() => undefined);
    throw error;
  }
  await landing.remove();
}

async function land(
  { guest, rsync }: CopySpec,
  isDirectory: boolean,
  landing: StagedCopy,
  far: GuestShell,
  { signal, progress, note }: ContextOut,
): Promise<void> {
  const space = await copySpace(landing.directory);
  await space.guard(signal, async (guarded) => {
    if (rsync) await rsyncOut(guest, isDirectory, landing, far, guarded);
    else await receive(guest, landing, space, far, { signal: guarded, progress });
  });
  const outward = await landing.commit(signal);
  if (outward > 0) note(outwardLinks(outward, landing.target));
}

async function receive(
  guest: string,
  landing: StagedCopy,
  space: Space,
  far: GuestShell,
  { signal, progress }: Context,
): Promise<void> {
  using drawing = linked(signal);
  const flow = far.receive(packScript(guest, far), drawing.signal);
  const bytes = counted(flow.bytes, progress, (size) => space.claim(size));
  await unpackInto(landing, bytes, signal).catch(async (error: unknown) => {
    const complaint = error instanceof NoSpace ? undefined : await complaintOf(flow, guest);
    // nobody reads what the guest still sends
    drawing.abort();
    throw complaint ?? error;
  });
  const answer = await flow.answer;
  if (answer.code !== 0) throw missing(guest, answer);
}

function outwardLinks(count: number, target: string): string {
  return count === 1
    ? `1 of the copied links leads out of ${target}`
    : `${count} of the copied links lead out of ${target}`;
}

/** Where the guest had something to complain of, that is why there was nothing to unpack. */
async function complaintOf({ answer }: ScriptOutput, guest: string): Promise<TransientError | undefined> {
  const answered = await Promise.race([
    answer.catch(() => undefined),
    delay(patience('copy-complaint'), undefined, { ref: false }),
  ]);
  if (answered === undefined || answered.code === 0 || answered.stderr === '') return undefined;
  return missing(guest, answered);
}

async function sourceOn(host: string): Promise<Source> {
  const path = resolve(host);
  const found = await lstat(path).catch((cause: unknown) => {
    const message = `cannot copy ${host} of the host: ${systemMessage(cause)}`;
    throw new TransientError({ reason: 'host', message }, { cause });
  });
  return { path, isDirectory: found.isDirectory() };
}

async function placeFor(
  destination: string,
  name: string,
  far: GuestShell,
  signal: AbortSignal,
): Promise<Place> {
  const answer = await far.run(placeScript(destination, name, far), signal);
  if (answer.code !== 0) throw refused(`cannot write to ${destination} in the guest`, answer);
  return placeIn(answer.stdout);
}

/** Where in the guest a copy comes to lie, and whose it is there. */
interface Place {
  readonly owner: Owner;
  readonly target: string;
}

/** What our script says of a place. */
function placeIn(said: string): Place {
  const [owner = '', , ...target] = said.split('\n');
  const [uid = 0, gid = 0] = owner.split(':').map(Number);
  return { owner: { uid, gid }, target: target.join('\n') };
}

async function* counted(
  bytes: AsyncIterable<Buffer>,
  progress: StepContext['progress'],
  claim: (bytes: number) => void = () => undefined,
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of bytes) {
    claim(chunk.length);
    yield chunk;
    done += chunk.length;
    progress({ phase: 'copying', done });
  }
}

function isSpecial(guest: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `cannot copy ${guest} of the guest: it is neither a file nor a directory nor a link`,
    hint: 'devices, pipes and sockets are not copied; what a program reads from one, it can write to a file',
  });
}

function missing(guest: string, answer: ScriptResult): TransientError {
  if (answer.code !== MISSING) return refused(`cannot read ${guest} in the guest`, answer);
  const message = `cannot copy ${guest} of the guest: No such file or directory`;
  return new TransientError({ reason: 'guest', message });
}

function refused(what: string, { stderr }: ScriptResult): TransientError {
  const lines = stderr
    .split('\n')
    .filter((line) => line !== '' && !/Exiting with failure status|^tar: \.$/.test(line));
  const [first = 'it did not say why', ...details] = lines.map((line) => line.replace(/^\/proc\/real\//, ''));
  return new TransientError({
    reason: 'guest',
    message: `${what}: ${first}`,
    ...(details.length > 0 ? { details: details.slice(0, 10) } : {}),
  });
}
