// The published form of `--report json=FILE`; the types of src/report/run-report.ts are what it must agree with.
import * as z from 'zod';
import type { RunReport, VmReport } from '../src/report/run-report.ts';

const problem = z.looseObject({
  reason: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  details: z.array(z.string()).optional(),
});

const phase = z.strictObject({
  id: z.string(),
  kind: z.string(),
  title: z.string(),
  outcome: z.enum(['done', 'ended', 'failed', 'skipped', 'interrupted', 'unfinished']),
  exitCode: z.int().optional(),
  began: z.iso.datetime().optional(),
  seconds: z.number().optional(),
});

const verdict = z.union([
  z.strictObject({ kind: z.enum(['passed', 'unfinished']) }),
  z.strictObject({ kind: z.literal('failed'), phase: z.string(), exitCode: z.int() }),
  z.strictObject({ kind: z.literal('error'), phase: z.string(), problem }),
  z.strictObject({ kind: z.literal('skipped'), phase: z.string(), because: z.string() }),
  z.strictObject({ kind: z.literal('interrupted'), phase: z.string() }),
]);

const vm = z.strictObject({
  name: z.string(),
  command: z.string().optional(),
  verdict,
  seconds: z.number(),
  phases: z.array(phase),
  stdout: z.string(),
  stderr: z.string(),
} satisfies Record<keyof VmReport, z.ZodType>);

/** JSON Schema of the file written by `--report json=FILE`. */
export const reportSchema: z.ZodType = z.strictObject({
  version: z.literal(1),
  title: z.string(),
  state: z.enum(['unfinished', 'ended']),
  began: z.iso.datetime(),
  seconds: z.number(),
  exitCode: z.int().optional(),
  vms: z.array(vm),
  shared: z.array(phase),
  problems: z.array(problem),
} satisfies Record<keyof RunReport, z.ZodType>);
