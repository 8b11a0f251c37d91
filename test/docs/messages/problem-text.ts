/** More lines of one problem than these are not shown. */
const MOST_LINES = 14;

/** How the first line of a problem begins: with the place that it is about, if any. */
const FIRST_LINE = /^(?:\S+ )?(?:error|warning): /;

/** The problems that stderr tells of, without the lines of progress between them. */
export function problemsIn(stderr: string): string[] {
  const problems: string[][] = [];
  let isWithin = false;
  for (const line of stderr.split('\n')) {
    const isFirst = FIRST_LINE.test(line);
    isWithin = isFirst || (isWithin && line.startsWith('  '));
    if (isFirst) problems.push([line]);
    else if (isWithin) problems.at(-1)?.push(line);
  }
  return withoutSlowness(problems.map(shortened));
}

/** Message of a problem, without its place and the lines below. */
export function messageOf(problem: string): string {
  const [first = ''] = problem.split('\n');
  return first.replace(FIRST_LINE, '');
}

/** A host without KVM warns of that beside everything else, and one with it does not. */
function withoutSlowness(problems: readonly string[]): string[] {
  const others = problems.filter((problem) => !messageOf(problem).startsWith('no KVM'));
  return others.length > 0 ? others : [...problems];
}

function shortened(lines: readonly string[]): string {
  const shown = lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), '  …'] : lines;
  return shown.map((line) => line.trimEnd()).join('\n');
}
