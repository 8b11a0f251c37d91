import type { Terminal } from '../rig/terminal.ts';

/** Logs in to a tiny guest on its serial console, which the terminal shows. */
export async function loginOnConsole(terminal: Terminal): Promise<void> {
  await terminal.waitFor(/tiny login:/);
  terminal.line('vagrant');
  await terminal.waitFor(/Password:/);
  terminal.line('vagrant');
  await terminal.waitFor(/vagrant@tiny:~\$$/m);
}

/** Interrupts what runs on the console, which ^C does in the guest and not to the run, and ends QEMU by its own keys. */
export async function endOnConsole(terminal: Terminal): Promise<void> {
  terminal.keys('C-c');
  terminal.line('echo "still $((40 + 2))"');
  await terminal.waitFor(/^still 42$/m);
  terminal.keys('C-a');
  terminal.keys('x');
  await terminal.waitFor(/QEMU: Terminated[\s\S]*host\$$/m);
}
