import type { Merged } from './merge.ts';

/** QEMU settings. Times are in seconds. */
export interface MachineSpec {
  readonly program: string;
  readonly memory: string;
  /** @asType integer */
  readonly cpus: number;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  readonly virtioScsi: boolean;
  readonly qmpTimeout: number;
  readonly qemuArgs: readonly string[];
}

export function machineOf({ option }: Merged): MachineSpec {
  return {
    program: option('qemu-bin-name'),
    memory: option('memory'),
    cpus: option('cpus'),
    accel: option('accel'),
    virtioScsi: !option('no-virtio-scsi'),
    qmpTimeout: option('qmp-timeout'),
    qemuArgs: option('qemu-args'),
  };
}
