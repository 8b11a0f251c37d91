import type { Span } from './phases.ts';

const [LEFT, WIDTH, RIGHT, LINE, TOP] = [190, 520, 70, 24, 16] as const;

/** Bars over time, one for each phase, as an SVG that can be read on light and on dark pages. */
export function phasesPlot(spans: readonly Span[]): string {
  const total = Math.max(...spans.map(({ end }) => end));
  const x = (seconds: number): number => Math.round(LEFT + (seconds / total) * WIDTH);
  const bars = spans.map(({ title, begin, end }, row) => {
    const y = TOP + row * LINE;
    const width = Math.max(2, x(end) - x(begin));
    return [
      `<text x="${LEFT - 10}" y="${y + 14}" text-anchor="end">${escaped(title)}</text>`,
      `<rect x="${x(begin)}" y="${y + 3}" width="${width}" height="${LINE - 8}" rx="2"/>`,
      `<text x="${x(begin) + width + 6}" y="${y + 14}">${(end - begin).toFixed(2)} s</text>`,
    ].join('\n');
  });
  const bottom = TOP + spans.length * LINE;
  const ticks = Array.from({ length: Math.floor(total) + 1 }, (_none, second) =>
    [
      `<line x1="${x(second)}" y1="${TOP}" x2="${x(second)}" y2="${bottom}"/>`,
      `<text x="${x(second)}" y="${bottom + 16}" text-anchor="middle">${second} s</text>`,
    ].join('\n'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH + RIGHT} ${bottom + 28}" role="img">`,
    '<title>The phases of one session</title>',
    '<style>text { font: 12px sans-serif; fill: #57606a } rect { fill: #2f81f7 } line { stroke: #8b949e; stroke-opacity: .3 }',
    '@media (prefers-color-scheme: dark) { text { fill: #9ea7b3 } }</style>',
    ...ticks,
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
