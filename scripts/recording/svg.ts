import type { Frame, Run } from './frames.ts';
import type { Size } from './record.ts';

const [CELL, LINE, MARGIN, FONT] = [7.8, 17, 14, 13] as const;
const [PAPER, INK] = ['#0d1117', '#d0d7de'] as const;

/** The sixteen colours of a terminal. */
const PALETTE = [
  ...['#484f58', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', '#b1bac4'],
  ...['#6e7681', '#ffa198', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#f0f6fc'],
];

/** How long the last frame stays before all begins anew, in seconds. */
const LAST = 6;

/** Frames one after the other, by CSS alone: pages that show an SVG as a picture run no scripts. */
export function animation(frames: readonly Frame[], { columns, rows }: Size): string {
  const total = (frames.at(-1)?.time ?? 0) + LAST;
  const [width, height] = [Math.ceil(columns * CELL + 2 * MARGIN), rows * LINE + 2 * MARGIN];
  const lines = new Map<string, string>();
  const shown = frames.map(({ time, lines: screen }, index) => {
    const until = frames[index + 1]?.time ?? total;
    const uses = screen.flatMap((runs, row) => (runs.length === 0 ? [] : [use(runs, row, lines)]));
    return `<g class="f" style="${timing(time, until, total)}">${uses.join('')}</g>`;
  });
  const styles = [
    `text { font: ${FONT}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; fill: ${INK} }`,
    `.f { opacity: 0; animation: ${total.toFixed(2)}s step-end infinite }`,
    ...keyframes(frames, total),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    '<title>transient plan, and transient up on a real VM</title>',
    `<style>${styles.join('\n')}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${PAPER}"/>`,
    `<defs>${[...lines].map(([runs, id]) => `<text id="${id}" xml:space="preserve">${runs}</text>`).join('\n')}</defs>`,
    ...shown,
    '</svg>',
    '',
  ].join('\n');
}

/** A line that is on many frames is drawn once. */
function use(runs: readonly Run[], row: number, lines: Map<string, string>): string {
  const text = runs.map(tspan).join('');
  const id = lines.get(text) ?? `l${lines.size}`;
  lines.set(text, id);
  return `<use href="#${id}" x="${MARGIN}" y="${MARGIN + (row + 1) * LINE - 4}"/>`;
}

function tspan({ text, color, bold, dim }: Run): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const look = [
    color === undefined ? '' : ` fill="${PALETTE[color] ?? INK}"`,
    bold ? ' font-weight="bold"' : '',
    dim ? ' opacity=".6"' : '',
  ].join('');
  return look === '' ? escaped : `<tspan${look}>${escaped}</tspan>`;
}

function timing(time: number, until: number, total: number): string {
  return `animation-name:${nameOf(time, until, total)}`;
}

function keyframes(frames: readonly Frame[], total: number): string[] {
  return frames.map(({ time }, index) => {
    const until = frames[index + 1]?.time ?? total;
    const [from, to] = [percent(time, total), percent(until, total)];
    const end = to === '100.00' ? '' : ` ${to}% { opacity: 0 }`;
    return `@keyframes ${nameOf(time, until, total)} { 0% { opacity: 0 } ${from}% { opacity: 1 }${end} }`;
  });
}

function nameOf(time: number, until: number, total: number): string {
  return `k${percent(time, total).replace('.', '_')}-${percent(until, total).replace('.', '_')}`;
}

function percent(time: number, total: number): string {
  return ((time / total) * 100).toFixed(2);
}
