import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { awaitReady } from '../../src/guest/readiness.ts';
import type { Machine, SerialTail } from '../../src/plan/executor.ts';
import type { SshSpec } from '../../src/config/ssh.ts';
import type { Problem } from '../../src/problem.ts';
import { TransientError } from '../../src/problem.ts';
import { HUNG } from '../rig/program.ts';

const SSH = {
  user: 'vagrant',
  timeout: 0.2,
  program: 'ssh',
  options: [],
  netDriver: 'virtio-net-pci',
  wellKnownKeys: 'leave' as const,
};

/** The details of the failure of a guest that does not greet, and whose console said this. */
async function detailsFor(tail: SerialTail): Promise<readonly string[]> {
  return (await failureOf(tail)).details ?? [];
}

async function failureOf(tail: SerialTail, isEmulated = false, ssh: SshSpec = SSH): Promise<Problem> {
  // it accepts and says nothing, as slirp does for a guest that does not listen
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const machine: Machine = {
    pid: 0,
    sshPort: (server.address() as AddressInfo).port,
    directory: '/nowhere',
    loginKey: '/nowhere/login-key',
    closePort: () => Promise.resolve(),
    ended: new Promise(() => undefined),
    serialTail: () => Promise.resolve(tail),
    hideSerial: () => undefined,
    isEmulated,
    network: { isUp: () => Promise.resolve(true), isAnswered: () => Promise.resolve(true) },
    onFate: () => () => undefined,
    giveUp: () => undefined,
    isGivenUp: () => false,
  };
  const login = (): Promise<undefined> => Promise.reject(new Error('nobody greeted'));
  const failure: unknown = await awaitReady(machine, ssh, login, new AbortController().signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  server.close();
  if (!(failure instanceof TransientError)) throw new Error(`failed otherwise: ${String(failure)}`);
  return failure.problem;
}

test.each([
  [true, 'within 0.1 s'],
  [false, 'within 0.2 s'],
])('a timeout for software emulation counts there only: %j', async (isEmulated, limit) => {
  const { message } = await failureOf({ lines: [], silence: 0 }, isEmulated, {
    ...SSH,
    emulatedTimeout: 0.1,
  });
  expect(message).toContain(limit);
});

test('a guest that prints nothing for long is distinguished from one that is slow', async () => {
  expect(await detailsFor({ lines: ['clocksource: hpet'], silence: 3 })).toEqual([
    'the last lines of its serial console:',
    '  clocksource: hpet',
  ]);
  expect(await detailsFor({ lines: ['clocksource: hpet'], silence: 299.4 })).toEqual([
    'the last lines of its serial console, silent for 299 s:',
    '  clocksource: hpet',
  ]);
});

test('the end-to-end tests know a guest that hangs by what is reported of it, and no other', async () => {
  const details = async (silence: number): Promise<string> =>
    (await detailsFor({ lines: ['clocksource: hpet'], silence })).join('\n');
  expect(await details(161)).toMatch(HUNG);
  expect(await details(20)).not.toMatch(HUNG);
});

test('a guest without a console is reported', async () => {
  expect(await detailsFor({ lines: [], silence: 0 })).toEqual(['there was no output on its serial console']);
});
