import { channel, subscribe } from 'node:diagnostics_channel';

/** A line for `--verbose`: `info` for programs and decisions, `debug` for traffic. */
export interface TraceLine {
  readonly level: 'info' | 'debug';
  readonly text: string;
}

const CHANNEL = 'transient:trace';
const lines = channel(CHANNEL);

/** Emits a trace line; the text is only built if there is a listener. */
export function trace(level: TraceLine['level'], text: () => string): void {
  if (lines.hasSubscribers) lines.publish({ level, text: text() } satisfies TraceLine);
}

/** Calls `listen` with every further line. */
export function onTrace(listen: (line: TraceLine) => void): void {
  subscribe(CHANNEL, (message) => listen(message as TraceLine));
}
