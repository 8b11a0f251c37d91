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
  'A run ends when its commands have exited, when one of them fails, or when a VM does. Whatever a guest, a program or a server',
  'does or fails to do, it also ends by a deadline or a signal, and leaves nothing behind: no QEMU, no helper process, no socket,',
  'no run directory, no key.',
  '',
  '## Signals',
  '',
  '**The first** SIGINT (^C), SIGTERM or SIGHUP ends the run in order: running steps are aborted, copies out are made, shared',
  'folders are unmounted, VMs are shut down. This takes at most 30 seconds, plus a longer `shutdown-timeout` or a `copy-timeout`,',
  'and another 30 seconds for copies out of a VM that has been shut down. After that, the run is ended immediately, with a',
  'warning that lists the interrupted steps.',
  '',
  '**A second** signal ends the run immediately, without copies or an orderly shutdown. After five seconds, the process exits',
  'whatever it is waiting for; the kernel has killed QEMU by then.',
  '',
  'The background process of a detached project does the same on SIGINT and SIGTERM; it does not depend on its terminal.',
  '`transient down --kill` kills its VMs, and the process itself if it does not answer.',
  '',
  '## Guests that die',
  '',
  'A guest that reboots, powers off, panics or stops responding during an operation ends the run with an error, exit code 1, and',
  'the last lines of its serial console: `the guest panicked while "make test" ran`. In a JUnit report, this is an `error`,',
  'not a `failure`. It is detected',
  '',
  "- by QEMU's events for a reset, a power-off and a panic, the latter if the guest's kernel has a driver for `pvpanic`,",
  '- by `Kernel panic - not syncing` on the serial console,',
  '- by ssh keep-alives every 15 seconds: 4 unanswered ones end the connection with KVM, 12 under software emulation.',
  '  `--ssh-option ServerAliveInterval=5` and `ServerAliveCountMax` change that.',
  '',
  'A command that exits with 0 after initiating a reboot or power-off has succeeded. `BUG:` on the console is a warning.',
  '',
];

/** Options whose values are seconds, with what happens when they are over. */
const OPTION_ENDS = {
  'ssh-timeout': 'the VM fails, with the last lines of its serial console',
  'shutdown-timeout': 'QEMU is terminated, with a warning',
  'qmp-timeout': 'the VM fails',
  'copy-timeout': 'the copy fails',
  'cloud-init-timeout': 'the VM fails, with the last lines of its serial console',
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
