import type { LogPlace } from '../host/log-place.ts';
import { followSerial } from './serial.ts';

/**
 * Beginning of a kernel log line: `[   12.345678] `, possibly with a processor, possibly after a prompt; or of a line
 * without timestamp.
 */
const KERNEL_LINE = String.raw`(?:\[ *\d+\.\d+\](?:\[[^\]]*\])? |^)`;
const PANIC = new RegExp(`${KERNEL_LINE}Kernel panic - not syncing`);
const BUG = new RegExp(`${KERNEL_LINE}(BUG: .*)`);

/** Maximum number of bytes kept of a line, whatever the guest prints. */
const LONGEST_LINE = 4096;

/** Receives the reports of the guest's kernel. */
export interface KernelListener {
  readonly panicked: () => void;
  /** Called with the first non-fatal bug report, in the kernel's own words. */
  readonly reported: (bug: string) => void;
}

/** Watches a serial log for kernel faults; returns a function that stops it. */
export function watchKernel(log: string | LogPlace, listener: KernelListener): () => void {
  let partial = '';
  let hasReported = false;
  const take = (line: string): void => {
    if (PANIC.test(line)) listener.panicked();
    const bug = hasReported ? undefined : BUG.exec(line)?.[1];
    if (bug === undefined) return;
    hasReported = true;
    listener.reported(bug.trim());
  };
  return followSerial(log, (bytes) => {
    const [first = '', ...more] = bytes.toString('latin1').split(/\r?\n|\r/);
    const lines = [partial + first, ...more];
    partial = (lines.pop() ?? '').slice(-LONGEST_LINE);
    lines.forEach(take);
  });
}
