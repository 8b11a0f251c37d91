import headless from '@xterm/headless';
import type { IBufferCell, Terminal as HeadlessTerminal } from '@xterm/headless';
import type { Chunk, Size } from './record.ts';

/** Characters of one look. */
export interface Run {
  readonly text: string;
  /** From 0 to 15 of a terminal's palette; the terminal's own where it is missing. */
  readonly color?: number;
  readonly bold: boolean;
  readonly dim: boolean;
}

/** Content of a screen from a time on, in seconds. */
export interface Frame {
  readonly time: number;
  readonly lines: readonly (readonly Run[])[];
}

/** Changes that come in so short a time are one frame, in seconds. */
const TICK = 0.1;

/** Renders output in a terminal of this size; returns its frames. */
export async function framesOf(chunks: readonly Chunk[], { columns, rows }: Size): Promise<Frame[]> {
  const terminal = new headless.Terminal({ cols: columns, rows, allowProposedApi: true });
  const frames: Frame[] = [];
  for (const [index, { time, bytes }] of chunks.entries()) {
    await new Promise<void>((resolve) => terminal.write(bytes, resolve));
    const next = chunks[index + 1]?.time ?? Number.POSITIVE_INFINITY;
    if (Math.floor(next / TICK) > Math.floor(time / TICK)) frames.push({ time, lines: screenOf(terminal) });
  }
  return frames.filter(
    ({ lines }, index) => JSON.stringify(lines) !== JSON.stringify(frames[index - 1]?.lines),
  );
}

function screenOf(terminal: HeadlessTerminal): Run[][] {
  const { active } = terminal.buffer;
  return Array.from({ length: terminal.rows }, (_none, row) => {
    const line = active.getLine(active.viewportY + row);
    const cells = Array.from({ length: terminal.cols }, (_cell, column) => line?.getCell(column));
    return trimmed(joined(cells.flatMap((cell) => (cell === undefined ? [] : [runOf(cell)]))));
  });
}

function runOf(cell: IBufferCell): Run {
  const color = cell.isFgPalette() ? { color: cell.getFgColor() } : {};
  return { text: cell.getChars() || ' ', bold: cell.isBold() !== 0, dim: cell.isDim() !== 0, ...color };
}

function joined(runs: readonly Run[]): Run[] {
  const result: Run[] = [];
  for (const run of runs) {
    const last = result.at(-1);
    const isSame = last?.color === run.color && last?.bold === run.bold && last.dim === run.dim;
    if (last !== undefined && isSame) result[result.length - 1] = { ...last, text: last.text + run.text };
    else result.push(run);
  }
  return result;
}

function trimmed(runs: readonly Run[]): Run[] {
  const last = runs.at(-1);
  if (last === undefined) return [];
  const text = last.text.trimEnd();
  return text === '' ? trimmed(runs.slice(0, -1)) : [...runs.slice(0, -1), { ...last, text }];
}
