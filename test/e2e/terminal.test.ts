import { inject, test } from 'vitest';
import { Terminal } from '../rig/terminal.ts';
import type { Rig } from '../rig/rig.ts';
import { endOnConsole, loginOnConsole } from './console.ts';
import { guest, PATIENTLY, realRig } from './guests.ts';

const tiny = guest('tiny');

function transient(...args: readonly string[]): string {
  return [process.execPath, inject('binary'), 'run', tiny, ...PATIENTLY, ...args].join(' ');
}

function open(name: string, rig: Rig): Terminal {
  return new Terminal(name, rig.environment, rig.work);
}

/** After a session the terminal echoes, breaks lines and takes ^C as it did before. */
async function expectSane(terminal: Terminal, code: number): Promise<void> {
  terminal.line(
    'echo "code $?"; stty -a | grep -o -w -e "icanon" -e "echo" -e "opost" | tr "\\n" " "; echo end',
  );
  await terminal.waitFor(
    new RegExp(`code ${code}\\n(opost|icanon|echo) (opost|icanon|echo) (opost|icanon|echo) end`),
  );
}

test('an ssh console has a line editor and the size of the window', async () => {
  await using rig = realRig();
  await using terminal = open('console', rig);
  // what is typed before the shell asks for it stands before its prompt, which is then taken for the next one
  await terminal.waitFor(/^host\$/m);
  terminal.line(transient('--ssh'));
  await terminal.waitFor(/vagrant@tiny:~\$$/m);
  terminal.keys(
    'e',
    'c',
    'h',
    'o',
    'Space',
    'h',
    'x',
    'l',
    'l',
    'o',
    'Left',
    'Left',
    'Left',
    'BSpace',
    'e',
    'Enter',
  );
  await terminal.waitFor(/^hello$/m);
  terminal.line('stty size');
  await terminal.waitFor(/^30 100$/m);
  terminal.resize(120, 40);
  terminal.line('sleep 1; stty size');
  await terminal.waitFor(/^40 120$/m);
  terminal.line('exit 9');
  await terminal.waitFor(/host\$$/m);
  await expectSane(terminal, 9);
});

test("QEMU's own console: login, ^C for the guest, ^A x", async () => {
  await using rig = realRig();
  await using terminal = open('serial', rig);
  await terminal.waitFor(/^host\$/m);
  terminal.line(transient());
  await loginOnConsole(terminal);
  terminal.line('echo "now $((1 + 2))"; sleep 1000');
  await terminal.waitFor(/^now 3$/m);
  await endOnConsole(terminal);
  await expectSane(terminal, 0);
});

test('--sshs shows the boot, then the shell', async () => {
  await using rig = realRig();
  await using terminal = open('sshs', rig);
  await terminal.waitFor(/^host\$/m);
  terminal.line(transient('--sshs'));
  await terminal.waitFor(/Linux version[\s\S]*vagrant@tiny:~\$$/m);
  terminal.line('exit');
  await terminal.waitFor(/host\$$/m);
  await expectSane(terminal, 0);
});

test('^C while the guest boots ends the run in order', async () => {
  await using rig = realRig();
  await using terminal = open('interrupt', rig);
  await terminal.waitFor(/^host\$/m);
  terminal.line(transient('--ssh'));
  await terminal.waitFor(/Wait for ssh/);
  terminal.keys('C-c');
  await terminal.waitFor(/host\$$/m);
  await expectSane(terminal, 130);
});
