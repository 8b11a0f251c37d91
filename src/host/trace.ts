import { channel, subscribe } from 'node:diagnostics_channel';

/** A line for people who asked for `--verbose`: `info` for programs and decisions, `debug` for traffic. */
export interface TraceLine {
  readonly level: 'info' | 'debug';
  readonly text: string;
}

const CHANNEL = 'transient:trace';
const lines = channel(CHANNEL);

/** Tells what is done; costs nothing while nobody listens. */
export function trace(level: TraceLine['level'], text: () => string): void {
  if (lines.hasSubscribers) lines.publish({ level, text: text() } satisfies TraceLine);
}

/** Hands every further line to `listen`. */
export function onTrace(listen: (line: TraceLine) => void): void {
  subscribe(CHANNEL, (message) => listen(message as TraceLine));
}
