import { lstat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CopySpec } from '../config/copies.ts';
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
import type { Owner, HostSource } from './tar.ts';
import { DISK_FULL, packed, unpackInto } from './tar.ts';

type Context = Pick<StepContext, 'signal' | 'progress'>;

/** `runDirectory` is the private directory of this process; it records what a killed copy leaves behind. */
type ContextOut = Context & Pick<StepContext, 'note'> & { readonly runDirectory: string };

/** Copies a file or directory of the host into a guest, like `cp -a` except for the owner. */
export async function copyIn(
  { host, guest, rsync }: CopySpec,
  shell: GuestShell,
  { signal, progress }: Context,
): Promise<void> {
  const source = await sourceOn(host);
  const name = basename(source.path);
  if (rsync) {
    const { owner, target } = await placeFor(guest, name, shell, signal);
    return rsyncIn(source, target, owner, shell, signal);
  }
  let target: string | undefined;
  const send = async (text: string): Promise<AsyncIterable<Buffer>> => {
    const place = placeIn(text);
    target = place.target;
    return counted(await packed(source, place.owner, shell.gnuTar, signal), progress);
  };
  const answer = await shell.send(receiveScript(guest, name, source.isDirectory, shell), send, signal);
  if (answer.code === 0) return;
  if (target === undefined) throw refused(`cannot write to ${guest} in the guest`, answer);
  throw DISK_FULL.test(answer.stderr)
    ? noSpace(target)
    : refused(`cannot write ${target} in the guest`, answer);
}

function noSpace(target: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `cannot write ${target} in the guest: no space left on its disk`,
    hint: 'copy less, or use an image with a larger disk',
  });
}

/** Copies a file or directory of a guest to the host. */
export async function copyOut(copy: CopySpec, shell: GuestShell, context: ContextOut): Promise<void> {
  const { host, guest } = copy;
  const lookup = await shell.run(lookScript(guest, shell), context.signal);
  if (lookup.code !== 0) throw missing(guest, lookup);
  const kind = lookup.stdout.trim();
  if (kind === 'special') throw isSpecial(guest);
  const staged = await openStagedCopy(host, guest, context.runDirectory);
  try {
    await land(copy, kind === 'yes', staged, shell, context);
  } catch (error) {
    // the first error is the one to report
    await staged.remove().catch(() => undefined);
    throw error;
  }
  await staged.remove();
}

async function land(
  { guest, rsync }: CopySpec,
  isDirectory: boolean,
  staged: StagedCopy,
  shell: GuestShell,
  { signal, progress, note }: ContextOut,
): Promise<void> {
  const space = await copySpace(staged.directory);
  await space.guard(signal, async (guarded) => {
    if (rsync) await rsyncOut(guest, isDirectory, staged, shell, guarded);
    else await receive(guest, staged, space, shell, { signal: guarded, progress });
  });
  const outward = await staged.commit(signal);
  if (outward > 0) note(outwardLinks(outward, staged.target));
}

async function receive(
  guest: string,
  staged: StagedCopy,
  space: Space,
  shell: GuestShell,
  { signal, progress }: Context,
): Promise<void> {
  using reading = linked(signal);
  const flow = shell.receive(packScript(guest, shell), reading.signal);
  const bytes = counted(flow.bytes, progress, (size) => space.claim(size));
  await unpackInto(staged, bytes, signal).catch(async (error: unknown) => {
    const complaint = error instanceof NoSpace ? undefined : await complaintOf(flow, guest);
    // stops the sender: nobody reads the rest
    reading.abort();
    throw complaint ?? error;
  });
  const answer = await flow.answer;
  if (answer.code !== 0) throw missing(guest, answer);
}

function outwardLinks(count: number, target: string): string {
  return count === 1
    ? `1 of the copied links points outside ${target}`
    : `${count} of the copied links point outside ${target}`;
}

/** Returns the guest's own error, if any: it explains why the archive could not be unpacked. */
async function complaintOf({ answer }: ScriptOutput, guest: string): Promise<TransientError | undefined> {
  const answered = await Promise.race([
    answer.catch(() => undefined),
    delay(patience('copy-complaint'), undefined, { ref: false }),
  ]);
  if (answered === undefined || answered.code === 0 || answered.stderr === '') return undefined;
  return missing(guest, answered);
}

async function sourceOn(host: string): Promise<HostSource> {
  const path = resolve(host);
  const found = await lstat(path).catch((cause: unknown) => {
    const message = `cannot copy ${host} from the host: ${systemMessage(cause)}`;
    throw new TransientError({ reason: 'host', message }, { cause });
  });
  return { path, isDirectory: found.isDirectory() };
}

async function placeFor(
  destination: string,
  name: string,
  shell: GuestShell,
  signal: AbortSignal,
): Promise<Place> {
  const answer = await shell.run(placeScript(destination, name, shell), signal);
  if (answer.code !== 0) throw refused(`cannot write to ${destination} in the guest`, answer);
  return placeIn(answer.stdout);
}

/** Destination of a copy in the guest, and its owner there. */
interface Place {
  readonly owner: Owner;
  readonly target: string;
}

/** Parses the output of {@link placeScript}. */
function placeIn(text: string): Place {
  const [owner = '', , ...target] = text.split('\n');
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
    progress({ activity: 'copying', done });
  }
}

function isSpecial(guest: string): TransientError {
  return new TransientError({
    reason: 'guest',
    message: `cannot copy ${guest} from the guest: it is not a file, directory or symbolic link`,
    hint: 'devices, pipes and sockets cannot be copied; write their data to a file in the guest first',
  });
}

function missing(guest: string, answer: ScriptResult): TransientError {
  if (answer.code !== MISSING) return refused(`cannot read ${guest} in the guest`, answer);
  const message = `cannot copy ${guest} from the guest: No such file or directory`;
  return new TransientError({ reason: 'guest', message });
}

function refused(what: string, { stderr }: ScriptResult): TransientError {
  const lines = stderr
    .split('\n')
    .filter((line) => line !== '' && !/Exiting with failure status|^tar: \.$/.test(line));
  const [first = 'no reason given', ...details] = lines.map((line) => line.replace(/^\/proc\/real\//, ''));
  return new TransientError({
    reason: 'guest',
    message: `${what}: ${first}`,
    ...(details.length > 0 ? { details: details.slice(0, 10) } : {}),
  });
}
