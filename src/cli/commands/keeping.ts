import { resolve } from 'node:path';
import type { Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import type { ReportFile } from '../../report/report-file.ts';
import { REPORT_FORMS } from '../../report/report-file.ts';
import type { Invocation, Keeping, Switch } from '../command.ts';

/** What of a run is kept in files, on commands that perform one from its beginning to its end. */
export const KEEPING_SWITCHES: readonly Switch[] = [
  {
    flags: '--report <FORM=FILE>',
    help: `write how the run came out, with what commands wrote: ${REPORT_FORMS.map((form) => `${form}=FILE`).join(' or ')}`,
    repeatable: true,
  },
  { flags: '--log-dir <DIR>', help: 'keep the serial output of each VM and the plan in this directory' },
];

/** What the switches say is to be kept; nothing where they say nothing. */
export function keepingOf(invocation: Invocation, title: string): Result<Keeping> {
  const said = (invocation.switches['report'] ?? []) as readonly string[];
  const reports = all(said.map((one) => reportFile(one, invocation.workingDirectory)));
  return reports.ok ? ok({ title, reports: reports.value, ...logDirectoryOf(invocation) }) : reports;
}

export function logDirectoryOf({ switches, workingDirectory }: Invocation): { logDirectory?: string } {
  const said = switches['log-dir'] as string | undefined;
  return said === undefined ? {} : { logDirectory: resolve(workingDirectory, said) };
}

/** Refuses what tells of a run from its beginning to its end, where VMs outlive the command or come and go meanwhile. */
export function refuseKeeping(
  { switches }: Invocation,
  manner: string,
  names: readonly ('report' | 'log-dir')[] = ['report', 'log-dir'],
): Result<undefined> {
  const said = names.find((name) => switches[name] !== undefined);
  if (said === undefined) return ok(undefined);
  return failed({
    reason: 'usage',
    message: `--${said} is about one run from its beginning to its end: it does not go with ${manner}`,
    where: { kind: 'flag', flag: `--${said}` },
    hint: 'leave one of them out',
  });
}

function reportFile(said: string, base: string): Result<ReportFile> {
  const [, word, path] = /^(\w+)=(.+)$/s.exec(said) ?? [];
  const form = REPORT_FORMS.find((known) => known === word);
  if (form !== undefined && path !== undefined) return ok({ form, path: resolve(base, path) });
  return failed({
    reason: 'usage',
    message: `--report must be ${REPORT_FORMS.map((known) => `${known}=FILE`).join(' or ')}, got ${JSON.stringify(said)}`,
    where: { kind: 'flag', flag: '--report', value: said },
  });
}
