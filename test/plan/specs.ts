import { machineOf } from '../../src/config/machine.ts';
import { mergeLayers } from '../../src/config/merge.ts';
import type { Connection } from '../../src/config/connection.ts';
import type { SshSpec } from '../../src/config/ssh.ts';
import type { VmSpec } from '../../src/config/vm-spec.ts';

export const SSH: SshSpec = {
  user: 'vagrant',
  program: 'ssh',
  timeout: 90,
  options: [],
  netDriver: 'virtio-net-pci',
  wellKnownKeys: 'replace',
};

/** A VM with everything that a test does not care about filled in. */
export function vm(name: string, connection: Connection, more: Partial<VmSpec> = {}): VmSpec {
  return {
    name,
    instance: name,
    images: [{ name: 'test', backend: '/backend' }],
    connection,
    ...(connection.kind === 'qemu-console' ? {} : { ssh: SSH }),
    machine: { ...machineOf(mergeLayers([])), accel: 'tcg' },
    networks: [],
    forwards: [],
    ending: { kind: 'at-once' },
    dependsOn: [],
    vmstore: '/vmstore',
    shares: { sshfs: [], '9p': [], virtiofs: [], sftpServer: 'sftp-server', unchanged: [] },
    copies: { in: [], out: [], direct: false, builder: {} },
    ...more,
  };
}

export const SERVICE: Connection = { kind: 'service' };
export const QEMU_CONSOLE: Connection = { kind: 'qemu-console' };
export const SSH_CONSOLE: Connection = { kind: 'ssh-console', serial: false };
export const SSH_WITH_SERIAL: Connection = { kind: 'ssh-console', serial: true };

export function command(line = 'true', serial = false): Connection {
  return { kind: 'ssh-command', command: line, serial };
}
