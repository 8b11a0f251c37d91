import type { LogPlace } from '../host/log-place.ts';
import { followSerial } from './serial.ts';

/** How a line of the kernel's log begins: `[   12.345678] `, perhaps with a processor, perhaps behind a prompt; or it is all. */
const KERNEL_LINE = String.raw`(?:\[ *\d+\.\d+\](?:\[[^\]]*\])? |^)`;
const PANIC = new RegExp(`${KERNEL_LINE}Kernel panic - not syncing`);
const BUG = new RegExp(`${KERNEL_LINE}(BUG: .*)`);

/** A line is cut after so many bytes: whatever the guest prints, no more of it is kept. */
const LONGEST_LINE = 4096;

/** What is heard of the guest's kernel. */
export interface KernelListener {
  readonly panicked: () => void;
  /** The first thing of its kind that is no reason for the kernel to stop, in its own words. */
  readonly reported: (bug: string) => void;
}

/** Follows a serial log for what the guest's kernel says of its own faults; returns how that is ended. */
export function watchKernel(log: string | LogPlace, listener: KernelListener): () => void {
  let begun = '';
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
    const lines = [begun + first, ...more];
    begun = (lines.pop() ?? '').slice(-LONGEST_LINE);
    lines.forEach(take);
  });
}
