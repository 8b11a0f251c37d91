import { DEADLINES, PATIENCE_VARIABLE } from '../src/host/deadline.ts';
import { OPTION_TABLE } from '../src/options/table.ts';
import { MADE, code, markdownTable, sentence } from './markdown.ts';

/** docs/endings.md: how a run ends, and every deadline. */
export function endingsReference(): string {
  return [MADE, '', ...PROSE, ...tables(), ''].join('\n');
}

const PROSE = [
  '# How a run ends',
  '',
  'A run ends by itself when its commands have ended, when one of them fails, or when a VM does. Whatever a guest, a program or',
  'a server does or fails to do, it also ends by a deadline or by a signal, and leaves nothing behind: no QEMU, no helper, no',
  'socket, no run directory, no key.',
  '',
  '## Signals',
  '',
  '**The first** SIGINT (^C), SIGTERM or SIGHUP ends the run in order: what runs is stopped, copies out are made, shared folders',
  'are unmounted, VMs are shut down. That takes 30 seconds at most. A longer `shutdown-timeout` or a `copy-timeout` adds to',
  'it, and copies out of a VM that has been shut down have another 30 seconds. When the time is over the rest is ended at once,',
  'with a warning that names what was interrupted.',
  '',
  '**A second** signal ends the run at once: no copies, no orderly shutdown. After five seconds the process exits whatever it',
  'waits for; the kernel has killed QEMU by then.',
  '',
  'A process that runs a detached project does the same on SIGINT and SIGTERM; it does not depend on its terminal.',
  '`transient down --kill` kills its VMs, and the process itself if it does not answer.',
  '',
  '## Guests that die',
  '',
  'A guest that reboots, powers off, panics or stops answering while something is done in it ends the run with an error, exit code',
  '1, and the last lines of its serial console: `the guest panicked while "make test" ran`. In a JUnit report that is an',
  '`error`, not a `failure`. It is noticed',
  '',
  "- by QEMU's events for a reset, a power-off and a panic, the latter where the guest's kernel has a driver for `pvpanic`,",
  '- by `Kernel panic - not syncing` on the serial console,',
  '- by keep-alives of ssh, every 15 seconds: 4 without an answer end the connection with KVM, 12 under software emulation.',
  '  `--ssh-option ServerAliveInterval=5` and `ServerAliveCountMax` change that.',
  '',
  'A command that exits with 0 and reboots or powers off the guest with its last breath has succeeded. `BUG:` on the console is',
  'a warning.',
  '',
];

/** Options whose values are seconds, with what happens when they are over. */
const OPTION_ENDS = {
  'ssh-timeout': 'the VM fails, with the last lines of its serial console',
  'shutdown-timeout': 'QEMU is terminated, with a warning',
  'qmp-timeout': 'the VM fails',
  'copy-timeout': 'the copy fails',
  'ready-timeout': 'the VM fails, with what the command last printed',
} as const;

function tables(): string[] {
  const options = Object.entries(OPTION_ENDS).map(([name, after]) => {
    const { help, default: standard } = OPTION_TABLE[name as keyof typeof OPTION_ENDS];
    const seconds = typeof standard === 'number' ? `${standard} s` : 'none';
    return [code(name), seconds, sentence(help.replace(/ \[.*\]$/, '')), sentence(after)];
  });
  const rows = Object.values(DEADLINES).map(({ seconds, wait, after }) => [
    `${seconds} s`,
    sentence(wait),
    sentence(after),
  ]);
  return [
    '## Deadlines with an option',
    '',
    markdownTable([['option', 'default', 'waits for', 'then'], ...options]),
    '',
    'Downloads have `TRANSIENT_HTTP_IDLE_TIMEOUT` (30 s): a server that sends less than 1 kB/s for so long fails a try, of which',
    "there are five. The guest's command and a console have no deadline: they end with the guest, or by a signal.",
    '',
    '## All other deadlines',
    '',
    `${code(PATIENCE_VARIABLE)} is a factor for all of these: ${code(`${PATIENCE_VARIABLE}=3`)} waits three times as long, on a host that is slow.`,
    '',
    markdownTable([['after', 'waits for', 'then'], ...rows]),
  ];
}
