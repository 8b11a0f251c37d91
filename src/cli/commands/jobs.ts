import { readFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import type { VmSpec } from '../../config/vm-spec.ts';
import type { Problem, Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import type { SessionOptions } from '../../plan/session.ts';
import type { Invocation, Switch } from '../command.ts';
import { logDirectoryOf } from './keeping.ts';

/** How the VMs of a project run together. */
export const MANNER_SWITCHES: readonly Switch[] = [
  {
    flags: '--jobs <NUMBER>',
    help: 'how many VMs may boot at a time [default: as many as this machine has processors, and memory for]',
  },
  { flags: '--logs', help: 'show what the guests say on their serial consoles' },
  { flags: '--keep-going', help: 'let VMs go on that do not depend on one that failed' },
];

/** What the switches say of a session as a whole. */
export function mannerOf(invocation: Invocation): Result<SessionOptions> {
  const { switches } = invocation;
  const manner = {
    keepGoing: switches['keep-going'] === true,
    logs: switches['logs'] === true,
    ...logDirectoryOf(invocation),
  };
  const said = switches['jobs'] as string | undefined;
  if (said === undefined) return ok(manner);
  return /^[1-9]\d{0,3}$/.test(said) ? ok({ ...manner, jobs: Number(said) }) : failed(noNumber(said));
}

/** As many as there are processors and memory for, and always one. */
export function defaultJobs(specs: readonly VmSpec[]): number {
  const largest = Math.max(1, ...specs.map(({ machine }) => bytesOf(machine.memory)));
  return Math.max(1, Math.min(availableParallelism(), Math.floor(availableMemory() / largest)));
}

const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** An amount of memory as QEMU's -m takes it: MiB where it has no unit. */
function bytesOf(memory: string): number {
  const unit = memory.at(-1)?.toLowerCase() ?? '';
  return Number.parseInt(memory, 10) * (UNITS[unit] ?? UNITS['m'] ?? 1);
}

/** What the kernel can give without swapping (proc(5), `MemAvailable`), in bytes. */
function availableMemory(): number {
  try {
    const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
    return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  } catch {
    return freemem();
  }
}

function noNumber(said: string): Problem {
  return {
    reason: 'usage',
    message: `--jobs must be a whole number from 1 on, got ${JSON.stringify(said)}`,
    where: { kind: 'flag', flag: '--jobs', value: said },
  };
}
