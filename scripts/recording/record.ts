import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Output sent to a terminal, with its time in seconds since the beginning. */
export interface Chunk {
  readonly time: number;
  readonly bytes: Buffer;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Time from a prompt until what is typed at it has been typed, in seconds; each character takes its share. */
const TYPING = 0.9;

/** Time after a command, in seconds. */
const PAUSE = 1.2;

/** Types commands at a prompt, runs each in a terminal of its own, and returns all that was on the screen. */
export function record(commands: readonly string[], directory: string, bin: string, size: Size): Chunk[] {
  const chunks: Chunk[] = [];
  let time = 0;
  for (const command of commands) {
    chunks.push({ time, bytes: Buffer.from('\u001B[1;32m$\u001B[0m ') });
    for (const character of command) {
      time += TYPING / command.length;
      chunks.push({ time, bytes: Buffer.from(character) });
    }
    chunks.push({ time, bytes: Buffer.from('\r\n') });
    for (const { time: later, bytes } of run(command, directory, bin, size))
      chunks.push({ time: time + later, bytes });
    time = (chunks.at(-1)?.time ?? time) + PAUSE;
  }
  return chunks;
}

/** Runs a command under script(1), which gives it a terminal and writes down what it sends there, and when. */
function run(command: string, directory: string, bin: string, { columns, rows }: Size): Chunk[] {
  const [output, timing] = [join(directory, 'output'), join(directory, 'timing')];
  const inside = `stty cols ${columns} rows ${rows}; ${command}`;
  execFileSync('script', ['-q', '-e', '-f', '-O', output, '-T', timing, '-m', 'classic', '-c', inside], {
    cwd: directory,
    env: {
      ...process.env,
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
      TERM: 'xterm-256color',
      TRANSIENT_BACKEND: join(directory, 'backend'),
    },
    stdio: ['inherit', 'ignore', 'inherit'],
  });
  return chunksOf(readFileSync(output), readFileSync(timing, 'utf8'));
}

/** The classic form of timings: a line for each piece, of the seconds that passed before it and its bytes. */
function chunksOf(output: Buffer, timing: string): Chunk[] {
  // a line of script's own stands before what was written
  let at = output.indexOf('\n') + 1;
  let time = 0;
  return timing
    .trim()
    .split('\n')
    .map((line) => {
      const [delay = 0, length = 0] = line.split(' ').map(Number);
      time += delay;
      const bytes = output.subarray(at, at + length);
      at += length;
      return { time, bytes };
    });
}
