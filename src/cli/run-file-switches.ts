import { resolve } from 'node:path';
import type { Result } from '../problem.ts';
import { all, failed, ok } from '../problem.ts';
import type { ReportFile } from '../report/report-file.ts';
import { REPORT_FORMS } from '../report/report-file.ts';
import type { CommandSwitch, Invocation, RunFileOptions } from './command.ts';

/** Switches for files about a run, on commands that perform a complete one. */
export const RUN_FILE_SWITCHES: readonly CommandSwitch[] = [
  {
    flags: '--report <FORM=FILE>',
    help: `write a report of the run, including command output: ${REPORT_FORMS.map((form) => `${form}=FILE`).join(' or ')}`,
    repeatable: true,
  },
  { flags: '--log-dir <DIR>', help: 'write the plan and the serial output of each VM to this directory' },
];

/** Files about a run requested by the switches. */
export function runFileOptions(invocation: Invocation, title: string): Result<RunFileOptions> {
  const values = (invocation.switches['report'] ?? []) as readonly string[];
  const reports = all(values.map((one) => reportFile(one, invocation.workingDirectory)));
  return reports.ok ? ok({ title, reports: reports.value, ...logDirectoryOf(invocation) }) : reports;
}

export function logDirectoryOf({ switches, workingDirectory }: Invocation): { logDirectory?: string } {
  const directory = switches['log-dir'] as string | undefined;
  return directory === undefined ? {} : { logDirectory: resolve(workingDirectory, directory) };
}

/** Rejects reports of a complete run where VMs outlive the command or are restarted during it. */
export function refuseRunFiles(
  { switches }: Invocation,
  mode: string,
  names: readonly ('report' | 'log-dir')[] = ['report', 'log-dir'],
): Result<undefined> {
  const name = names.find((name) => switches[name] !== undefined);
  if (name === undefined) return ok(undefined);
  return failed({
    reason: 'usage',
    message: `--${name} covers one complete run and cannot be combined with ${mode}`,
    where: { kind: 'flag', flag: `--${name}` },
    hint: 'leave one of them out',
  });
}

function reportFile(value: string, base: string): Result<ReportFile> {
  const [, word, path] = /^(\w+)=(.+)$/s.exec(value) ?? [];
  const form = REPORT_FORMS.find((candidate) => candidate === word);
  if (form !== undefined && path !== undefined) return ok({ form, path: resolve(base, path) });
  return failed({
    reason: 'usage',
    message: `--report must be ${REPORT_FORMS.map((name) => `${name}=FILE`).join(' or ')}, got ${JSON.stringify(value)}`,
    where: { kind: 'flag', flag: '--report', value: value },
  });
}
