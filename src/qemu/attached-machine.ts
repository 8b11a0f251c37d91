import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '../host/process-identity.ts';
import type { Machine, MachineEnd } from '../plan/executor.ts';
import type { AttachMachine, ProcessFacts } from '../plan/step.ts';
import { GuestWatch } from './guest-watch.ts';

/** Poll interval for the machine of another process, in milliseconds. */
const LOOK = 200;

/** A machine run by another process, with the facts available here; `directory` is for our own files about it. */
export function attachedMachine(
  { port, qemu, loginKey, knownHosts, sharedLogin }: AttachMachine,
  directory: string,
): Machine {
  return {
    pid: qemu.pid,
    sshPort: port,
    directory,
    loginKey,
    ...(knownHosts === undefined
      ? {}
      : { seed: { knownHosts, image: undefined, applied: () => Promise.resolve() } }),
    ...(sharedLogin === undefined ? {} : { sharedLogin }),
    // its owner handles the port and the end
    closePort: () => Promise.resolve(),
    ended: endOf(qemu),
    serialTail: () => Promise.resolve({ lines: [], silence: 0 }),
    hideSerial: () => undefined,
    isEmulated: true,
    network: { isUp: () => Promise.resolve('unknown'), isAnswered: () => Promise.resolve('unknown') },
    ...new GuestWatch().view,
  };
}

async function endOf(qemu: ProcessFacts): Promise<MachineEnd> {
  while (isAlive(qemu)) await delay(LOOK, undefined, { ref: false });
  return { problem: undefined };
}
