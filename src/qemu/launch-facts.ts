import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { isRoot } from '../host/is-root.ts';
import { whyNoKvm } from '../host/kvm.ts';
import { trace } from '../host/trace.ts';
import { SSH_CARD_MAC } from '../config/seed-spec.ts';
import type { Seed, StepContext } from '../plan/executor.ts';
import { shareTag } from '../plan/shares.ts';
import type { BootMachine } from '../plan/step.ts';
import type { Problem } from '../problem.ts';
import type { QemuFacts, ShareFacts } from './args.ts';
import { guestArchitecture, qemuArguments } from './args.ts';
import type { Launch } from './machine.ts';
import { forwardsOf } from './ports.ts';
import { SNAPSHOT_VARIABLE, snapshotDirectory } from './snapshot.ts';

/**
 * Launch parameters of QEMU for a step, without the cards of its networks; `files` are its disks, `log` is its serial
 * log.
 */
export function launchOf(
  step: BootMachine,
  files: readonly string[],
  sockets: readonly string[],
  seed: Seed | undefined,
  log: string,
  context: StepContext,
): Omit<Launch, 'cards' | 'watch'> & { readonly isEmulated: boolean } {
  const { machine, ssh } = step;
  const snapshot = step.disks === 'snapshot';
  const temporary = snapshot ? snapshotDirectory(process.env) : tmpdir();
  const accel = chooseAccel(step, context);
  const facts: QemuFacts = {
    name: step.instance,
    machine,
    accel,
    disks: files.map((path) => ({ path })),
    seed: seed?.image,
    random: seed !== undefined,
    snapshot,
    ...(ssh
      ? { network: { driver: ssh.netDriver, mac: seed && SSH_CARD_MAC, forwards: forwardsOf(step) } }
      : {}),
    cards: step.networks.map(({ mac }) => mac),
    ...(step.shares ? { shares: sharesOf(step.shares, sockets) } : {}),
    serial: { log, onTerminal: step.console, display: hasDisplay() },
    extras: true,
  };
  return {
    program: machine.program,
    args: qemuArguments(facts),
    plainArgs: qemuArguments({ ...facts, extras: false }),
    isEmulated: accel === 'tcg' && !machine.qemuArgs.some((argument) => argument.includes('kvm')),
    onTerminal: step.console,
    temporary,
    whenFull: snapshot ? snapshotFull(temporary) : storeFull(dirname(files[0] ?? '')),
    qmpTimeout: machine.qmpTimeout,
  };
}

function sharesOf(shares: NonNullable<BootMachine['shares']>, sockets: readonly string[]): ShareFacts {
  return {
    plan9: shares['9p'].map(({ host: path, readonly }, index) => ({
      tag: shareTag('9p', index),
      path,
      readonly,
      // served by root, a guest could create setuid programs of root here
      mapped: !readonly && isRoot(),
    })),
    virtiofs: sockets.map((socket, index) => ({ tag: shareTag('virtiofs', index), socket })),
  };
}

function snapshotFull(directory: string): Problem {
  return {
    reason: 'machine',
    message: `the VM was ended: ${directory}, which holds its disk writes, is full`,
    hint: `set ${SNAPSHOT_VARIABLE} to a directory with more space`,
  };
}

function storeFull(directory: string): Problem {
  return {
    reason: 'machine',
    message: `the VM was ended: no space left in ${directory}, which holds its disks`,
    hint: 'free some space there and start it again',
  };
}

function hasDisplay(): boolean {
  return Boolean(process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY']);
}

function chooseAccel({ machine, vm }: BootMachine, { warn }: StepContext): 'kvm' | 'tcg' {
  if (machine.accel !== 'auto') return machine.accel;
  const why = whyNoKvm(guestArchitecture(machine.program));
  if (why === undefined) return 'kvm';
  trace('info', () => `VM ${vm}: software emulation: ${why}`);
  warn({
    reason: 'host',
    message: `no KVM, the VM runs in software emulation and will be slow: ${why}`,
    hint: 'use --accel tcg to silence this warning',
  });
  return 'tcg';
}
