/**
 * A program that passes for qemu-system-x86_64: it takes our arguments, speaks QMP and offers a guest's ssh, so that
 * whole sessions run in a moment. `FAKE_QEMU` says what goes wrong (faults.ts); test/rig/setup.ts bundles it.
 */
import { existsSync, writeSync } from 'node:fs';
import { runBuilder } from './builder.ts';
import { readCommandLine } from './command-line.ts';
import type { Faults } from './faults.ts';
import { faultsOf } from './faults.ts';
import type { Guest } from './guest.ts';
import { bootGuest } from './guest.ts';
import { Life } from './life.ts';
import type { Controlled } from './qmp-server.ts';
import { QmpServer } from './qmp-server.ts';
import { seedOf } from './seed.ts';
import { SerialConsole } from './serial-console.ts';

const BOOT_LINES = [
  'SeaBIOS (version fake)',
  '\x1b[0m\x1b[7lLinux version 6.1.0-fake',
  'Welcome to the fake guest!',
];

/** Console lines of cloud-init at a boot with a seed. */
const CLOUD_INIT_LINES = [
  "cloud-init[321]: Cloud-init v. 22.4-fake running 'init-local'",
  'ci-info: no authorized SSH keys fingerprints found for user vagrant.',
];

/** The length of a frame that is longer than any. */
const NONSENSE = Buffer.alloc(4, 0xff);

async function main(argv: readonly string[]): Promise<void> {
  const options = readCommandLine(argv);
  if (options.wantsVersion) return void process.stdout.write('QEMU emulator version 7.2.22 (fake)\n');
  if (options.wrongName !== undefined) exit(1, `qemu-system-x86_64: ${options.wrongName}`);
  if (options.name === 'transient-builder') {
    runBuilder(faultsOf(options.name, process.env));
    return;
  }
  const life = new Life(options.name, faultsOf(options.name, process.env));
  const missing = options.disks.find((disk) => !existsSync(disk));
  if (missing !== undefined)
    exit(1, `qemu-system-x86_64: Could not open '${missing}': No such file or directory`);
  const { exitAtOnce, noQmp, serial, ignorePowerdown, ignoreTerm, ioError, noFrames } = life.faults;
  if (exitAtOnce) exit(exitAtOnce.code, exitAtOnce.stderr);
  const console = new SerialConsole(options);
  let guest: Guest | undefined;

  const end = (reason: string): void => {
    qmp?.event('SHUTDOWN', { guest: reason === 'guest-shutdown', reason });
    guest?.powerOff();
    life.end();
  };
  const meet = (fate: NonNullable<Faults['fate']>): void => {
    if (fate === 'poweroff') end('guest-shutdown');
    if (fate === 'reboot') qmp?.event('RESET', { guest: true, reason: 'guest-reset' });
    if (fate === 'panic') qmp?.event('GUEST_PANICKED', { action: 'run' });
    if (fate === 'panic-on-serial') console.print('[    9.876543] Kernel panic - not syncing: fake');
  };
  const powerDown = (): void => {
    life.happens('powerdown');
    if (ignorePowerdown === true) return;
    console.print('reboot: Power down');
    end('guest-shutdown');
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      life.happens('signal', { signal });
      if (ignoreTerm !== true) end('host-signal');
    });
  }
  // a machine without a network card has nothing else that keeps the process
  setInterval(() => undefined, 2 ** 30);

  life.happens('start', { argv, temporary: process.env['TMPDIR'] });
  const qmp =
    options.qmpDescriptor === undefined
      ? undefined
      : new QmpServer(options.qmpDescriptor, {
          sshPort: () => guest?.port,
          connections: () => guest?.connections() ?? { count: 0, answered: false },
          closePort: () => {
            if (life.faults.freezes === 'hostfwd_remove') {
              life.happens('command', { command: 'hostfwd_remove' });
              process.kill(process.pid, 'SIGSTOP');
            }
            guest?.closePort();
          },
          forwards: options.forwards,
          powerDown,
          quit: () => end('host-qmp-quit'),
          negotiated: () => life.happens('qmp'),
          refuses: life.faults.refuses,
          then: afterwards(life.faults),
        });
  const { fate, panicsAfter } = life.faults;
  if (panicsAfter !== undefined) setTimeout(() => meet('panic'), panicsAfter);
  if (fate) life.when('command', (command) => /\bfate\b/.test(command) && meet(fate));
  if (ioError) life.when('command', () => qmp?.ioError(ioError.nospace));
  if (noFrames === true) for (const descriptor of options.networkDescriptors) writeSync(descriptor, NONSENSE);
  const seed = life.faults.ignoresSeed === true ? undefined : seedOf(options);
  if (options.sshPort !== undefined) guest = await bootGuest(options.sshPort, life, seed);
  if (noQmp !== true) qmp?.greet();
  const setUp = seed === undefined || options.seed === undefined ? [] : CLOUD_INIT_LINES;
  console.print(...BOOT_LINES, ...setUp, ...(serial === undefined ? [] : [serial]));
  console.listen(() => end('host-ui'));
}

function afterwards({ leavesQmp, silentQmp, endlessQmp }: Faults): Controlled['then'] {
  if (leavesQmp === true) return 'leaves';
  if (silentQmp === true) return 'is-silent';
  return endlessQmp === true ? 'is-endless' : 'answers';
}

function exit(code: number, message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

void main(process.argv.slice(2));
