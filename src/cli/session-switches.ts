import { readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import type { VmSpec } from '../config/vm-spec.ts';
import type { Problem, Result } from '../problem.ts';
import { failed, ok } from '../problem.ts';
import type { SessionOptions } from '../plan/session.ts';
import type { Invocation, CommandSwitch } from './command.ts';
import { logDirectoryOf } from './run-file-switches.ts';

/** Switches about how the VMs of a project run together. */
export const SESSION_SWITCHES: readonly CommandSwitch[] = [
  {
    flags: '--jobs <NUMBER>',
    help: 'how many VMs may boot at the same time [default: limited by processors and available memory]',
  },
  { flags: '--logs', help: 'show the serial console output of the guests' },
  { flags: '--keep-going', help: 'keep running VMs that do not depend on a failed one' },
];

/** Session options set by the switches. */
export function sessionOptionsOf(invocation: Invocation): Result<SessionOptions> {
  const { switches } = invocation;
  const options = {
    keepGoing: switches['keep-going'] === true,
    logs: switches['logs'] === true,
    ...logDirectoryOf(invocation),
  };
  const jobs = switches['jobs'] as string | undefined;
  if (jobs === undefined) return ok(options);
  return /^[1-9]\d{0,3}$/.test(jobs) ? ok({ ...options, jobs: Number(jobs) }) : failed(invalidJobs(jobs));
}

/** Default number of VMs that boot at the same time: limited by processors and available memory, at least one. */
export function defaultJobs(specs: readonly VmSpec[]): number {
  const largest = Math.max(1, ...specs.map(({ machine }) => bytesOf(machine.memory)));
  return Math.max(1, Math.min(availableParallelism(), Math.floor(availableMemory() / largest)));
}

const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Converts an amount of memory in the syntax of QEMU's -m (MiB by default) to bytes. */
function bytesOf(memory: string): number {
  const unit = memory.at(-1)?.toLowerCase() ?? '';
  return Number.parseInt(memory, 10) * (UNITS[unit] ?? UNITS['m'] ?? 1);
}

/** Memory available without swapping (proc(5), `MemAvailable`), in bytes. */
function availableMemory(): number {
  try {
    const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
    return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  } catch {
    return freemem();
  }
}

function invalidJobs(text: string): Problem {
  return {
    reason: 'usage',
    message: `--jobs must be a whole number of at least 1, got ${JSON.stringify(text)}`,
    where: { kind: 'flag', flag: '--jobs', value: text },
  };
}
