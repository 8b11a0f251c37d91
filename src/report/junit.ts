import { stripVTControlCharacters } from 'node:util';
import XMLBuilder from 'fast-xml-builder';
import { problemLines } from '../run/problem-lines.ts';
import type { StepReport, RunReport, Verdict, VmReport } from './run-report.ts';

/**
 * Formats a run as JUnit XML for CI systems: a suite with one case for each VM that had a command, and for each other VM
 * that failed. The phases of the run are properties of the suite (the schema of Jenkins' JUnit plugin does not allow them
 * in a case).
 */
export function junitXml(report: RunReport): string {
  const cases = report.vms.filter(isCase);
  const counts = {
    '@tests': cases.length,
    '@failures': count(cases, ({ kind }) => kind === 'failed'),
    '@errors': count(cases, (verdict) => isError(verdict, report)),
  };
  const suite = {
    '@name': report.title,
    ...counts,
    '@skipped': count(cases, (verdict) => isSkipped(verdict, report)),
    '@time': report.seconds.toFixed(3),
    '@timestamp': report.began.replace(/\.\d+Z$/, ''),
    properties: { property: [...report.shared, ...report.vms.flatMap(({ phases }) => phases)].map(property) },
    testcase: cases.map((vm) => testcase(vm, report)),
  };
  const document = {
    '?xml': { '@version': '1.0', '@encoding': 'UTF-8' },
    testsuites: { '@name': 'transient', ...counts, '@time': suite['@time'], testsuite: [suite] },
  };
  const builder = new XMLBuilder({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    format: true,
    suppressEmptyNode: true,
  });
  return builder.build(cleaned(document));
}

function isCase({ command, verdict }: VmReport): boolean {
  return command !== undefined || verdict.kind === 'error';
}

function count(cases: readonly VmReport[], matches: (verdict: Verdict) => boolean): number {
  return cases.filter(({ verdict }) => matches(verdict)).length;
}

/** Result elements of a VM; if the run was stopped by another VM, the error is reported in that VM's case. */
function isError({ kind }: Verdict, report: RunReport): boolean {
  if (kind === 'interrupted') return !hasCulprit(report);
  return kind === 'error' || kind === 'unfinished';
}

function isSkipped(verdict: Verdict, report: RunReport): boolean {
  return verdict.kind === 'skipped' || (verdict.kind === 'interrupted' && !isError(verdict, report));
}

function hasCulprit({ vms }: RunReport): boolean {
  return vms.some(({ verdict }) => verdict.kind === 'failed' || verdict.kind === 'error');
}

function property({ id, outcome, seconds }: StepReport): Record<string, string> {
  return { '@name': id, '@value': seconds === undefined ? outcome : `${outcome} ${seconds.toFixed(3)} s` };
}

function testcase(vm: VmReport, report: RunReport): object {
  return {
    '@classname': report.title,
    '@name': vm.name,
    '@time': vm.seconds.toFixed(3),
    ...fault(vm, report),
    ...(vm.stdout === '' ? {} : { 'system-out': vm.stdout }),
    ...(vm.stderr === '' ? {} : { 'system-err': vm.stderr }),
  };
}

function fault({ verdict, command = '', phases }: VmReport, report: RunReport): object {
  const all = [...phases, ...report.shared];
  const phase = 'phase' in verdict ? (all.find(({ id }) => id === verdict.phase)?.title ?? '') : '';
  const element = (message: string, type: string, text: string): object => ({
    '@message': message,
    '@type': type,
    '#text': text,
  });
  switch (verdict.kind) {
    case 'passed':
      return {};
    case 'failed':
      return { failure: element(`exit code ${verdict.exitCode}`, 'exit-code', command) };
    case 'error': {
      const { problem } = verdict;
      const lines = problemLines(problem, 'error', false).join('\n');
      return { error: element(`${phase}: ${problem.message}`, problem.reason, lines) };
    }
    case 'skipped':
      return { skipped: verdict.because };
    case 'interrupted': {
      const message = `${phase}: interrupted`;
      return isError(verdict, report)
        ? { error: element(message, 'interrupted', '') }
        : { skipped: `${message}, because of another VM` };
    }
    case 'unfinished':
      return { error: element('the run has not ended', 'unfinished', '') };
  }
}

/** Characters that XML 1.0 does not allow (its production 2, Char), such as terminal escapes. */
const UNFIT = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

function cleaned<T>(value: T): T {
  if (typeof value === 'string') return stripVTControlCharacters(value).replaceAll(UNFIT, '\u{FFFD}') as T;
  if (Array.isArray(value)) return value.map(cleaned) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, cleaned(one)])) as T;
}
