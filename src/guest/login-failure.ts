import type { Machine, SerialTail } from '../plan/executor.ts';
import { serialExcerpt } from '../plan/serial-excerpt.ts';
import { TransientError } from '../problem.ts';
import { SEED_HINTS, cloudInitLines, seedFailure } from './cloud-init-log.ts';
import { DifferentHostKey } from './host-key.ts';

/** Silence on the console after which it is mentioned, in seconds: it tells a hanging guest from a slow one. */
const LONG_SILENCE = 10;

/** A login that did not succeed in its time. */
interface FailedLogin {
  readonly user: string;
  /** Time limit in seconds. */
  readonly timeout: number;
  /** The guest's last refusal; undefined for a guest that did not offer ssh. */
  readonly refused: string | undefined;
}

/** The error of a guest that did not accept a login in time. */
export async function noLogin(
  { user, timeout, refused }: FailedLogin,
  machine: Machine,
): Promise<TransientError> {
  const message =
    refused === undefined
      ? `the guest did not offer ssh within ${timeout} s`
      : `the guest offers ssh, but did not accept a login of user "${user}" within ${timeout} s: ${refused}`;
  const { details, seedHint } = await consoleOf(machine, refused !== undefined);
  const hint = seedHint ?? (refused === undefined ? NO_SSH : refusalHint(machine));
  return new TransientError({ reason: 'guest', message, hint, details });
}

/** The error of a guest with another host key, with what its console tells about its seed. */
export async function explained(error: DifferentHostKey, machine: Machine): Promise<DifferentHostKey> {
  const { details, seedHint: hint } = await consoleOf(machine, true);
  return new DifferentHostKey({ details, ...(hint === undefined ? {} : { hint }) }, error);
}

const NO_SSH =
  'raise the limit with --ssh-timeout, or watch its console: run it without ssh, or with --ssh-with-serial';

function refusalHint({ seed }: Machine): string {
  return seed === undefined
    ? 'choose another user with --ssh-user; the guest must accept the Vagrant public key, or a key from ~/.ssh, your agent or --ssh-option IdentityFile=PATH'
    : 'cloud-init creates that user at the first boot, unless user-data has its own list of users; it may need more time (--ssh-timeout)';
}

/** Serial lines as details of a failure, and the hint for a guest that its seed did not reach. */
async function consoleOf(
  { serialTail, seed }: Machine,
  answers: boolean,
): Promise<{ readonly details: readonly string[]; readonly seedHint?: string }> {
  const tail = await serialTail();
  const details = serialDetails(tail);
  // a guest that was set up at an earlier boot has nothing to say about it
  if (seed?.image === undefined) return { details };
  const { lines } = await serialTail('all');
  const failure = seedFailure(lines, answers);
  const earlier = cloudInitLines(lines, tail.lines);
  return {
    details: [
      ...(earlier.length > 0 ? ['lines of cloud-init before:', ...earlier.map((line) => `  ${line}`)] : []),
      ...details,
    ],
    ...(failure === undefined ? {} : { seedHint: SEED_HINTS[failure] }),
  };
}

function serialDetails(tail: SerialTail): readonly string[] {
  const since = tail.silence < LONG_SILENCE ? '' : `, silent for ${Math.round(tail.silence)} s`;
  const excerpt = serialExcerpt(tail, since);
  return excerpt.length > 0 ? excerpt : ['there was no output on its serial console'];
}
