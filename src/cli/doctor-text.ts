import { styleText } from 'node:util';
import { amount } from '../run/progress-text.ts';
import type { Finding } from '../doctor/finding.ts';
import { table } from './table.ts';

/** Formats findings with remedies for problems, and whether `up` can run. */
export function findingsText(findings: readonly Finding[], able: boolean, color: boolean): string {
  const rows = findings.map((finding) => [finding.state, finding.name, finding.purpose, foundText(finding)]);
  const [heads = '', ...lines] = table([['STATE', 'WHAT', 'FOR', 'FOUND'], ...rows])
    .trimEnd()
    .split('\n');
  const painted = lines.map((line, index) => (color ? paint(line, findings[index]) : line));
  const troubles = findings.filter(({ state }) => state !== 'ok');
  const remedies = troubles.length === 0 ? [] : ['', 'To fix:', ...troubles.flatMap(remedyLines)];
  return `${[heads, ...painted, ...remedies, '', verdict(findings, able)].join('\n')}\n`;
}

function foundText({ found, free }: Finding): string {
  return free === undefined ? found : `${found}, ${amount(free)} free`;
}

function paint(line: string, finding: Finding | undefined): string {
  const ill = finding?.needed === true && finding.state === 'missing' ? 'red' : 'yellow';
  return line.replace(/^\w+/, (state) => styleText(state === 'ok' ? 'green' : ill, state));
}

function remedyLines({ name, get, hint }: Finding): string[] {
  const ways = get && `Debian: ${get.debian}   Fedora: ${get.fedora}   Arch: ${get.arch}`;
  return [ways, hint].filter((text) => text !== undefined).map((text) => `  ${name}: ${text}`);
}

function verdict(findings: readonly Finding[], able: boolean): string {
  if (able) return 'transient up can run here.';
  const lacking = findings.filter(({ needed, state }) => needed && state === 'missing');
  return `transient up cannot run here; missing: ${lacking.map(({ name }) => name).join(', ')}`;
}
