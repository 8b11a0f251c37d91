import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '../host/process-identity.ts';
import type { Machine, MachineEnd } from '../plan/executor.ts';
import type { AttachMachine, ProcessFacts } from '../plan/step.ts';
import { GuestWatch } from './guest-watch.ts';

/** How often the machine of another process is looked at, in milliseconds. */
const LOOK = 200;

/** A machine that another process runs, as far as it can be known here; `directory` is for what is ours of it. */
export function attachedMachine(
  { port, qemu, loginKey, sharedLogin }: AttachMachine,
  directory: string,
): Machine {
  return {
    pid: qemu.pid,
    sshPort: port,
    directory,
    loginKey,
    ...(sharedLogin === undefined ? {} : { sharedLogin }),
    // the port and the end are its owner's to deal with
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
