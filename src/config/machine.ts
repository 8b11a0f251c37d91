import type { CloudGuest } from './cloud-image.ts';
import type { EmulatedCpu } from './cpu.ts';
import { emulatedCpuOf } from './cpu.ts';
import type { Merged } from './merge.ts';

/** QEMU settings. Times are in seconds. */
export interface MachineSpec {
  readonly program: string;
  readonly memory: string;
  /** @asType integer */
  readonly cpus: number;
  /** Processor model of the user. */
  readonly cpu?: string;
  readonly emulatedCpu: EmulatedCpu;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  readonly virtioScsi: boolean;
  readonly qmpTimeout: number;
  readonly qemuArgs: readonly string[];
}

/** QEMU settings from the options; `guest` is that of an image of the catalogue. */
export function machineOf({ option, values }: Merged, guest?: CloudGuest): MachineSpec {
  return {
    program: option('qemu-bin-name'),
    memory: option('memory'),
    cpus: option('cpus'),
    ...(values.cpu === undefined ? {} : { cpu: values.cpu }),
    emulatedCpu: emulatedCpuOf(guest),
    accel: option('accel'),
    virtioScsi: !option('no-virtio-scsi'),
    qmpTimeout: option('qmp-timeout'),
    qemuArgs: option('qemu-args'),
  };
}
