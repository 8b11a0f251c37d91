import { looksOf } from '../cli/report.ts';
import type { Outlet } from '../run/guest-output.ts';

/** A stream of ours as guests' output goes to it. */
export function outletOf(stream: NodeJS.WriteStream): Outlet {
  return { write: (bytes) => void stream.write(bytes), color: looksOf(stream, process.env).color };
}
