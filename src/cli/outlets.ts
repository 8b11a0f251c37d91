import { looksOf } from './report.ts';
import type { Outlet } from '../run/guest-output.ts';

/** Adapts one of our streams for output of guests. */
export function outletOf(stream: NodeJS.WriteStream): Outlet {
  return { write: (bytes) => void stream.write(bytes), color: looksOf(stream, process.env).color };
}
