/** Instructions that an image requires: a level of the x86-64 psABI above the first. */
export type CpuLevel = 'x86-64-v2' | 'x86-64-v3';

/** Models of QEMU that lack instructions of x86-64-v2, such as SSE4.2 and POPCNT (QEMU, docs/system/cpu-models-x86). */
const FIRST_LEVEL = /^(qemu64|kvm64|Conroe|Penryn|core2duo|phenom|athlon|Opteron_G[123])(-v\d+)?(,|$)/;

/** Models that have those but lack ones of x86-64-v3, such as AVX2. */
const SECOND_LEVEL =
  /^(Nehalem|Westmere|SandyBridge|IvyBridge|Opteron_G[45]|Denverton|Snowridge)(-IBRS|-noTSX)?(-v\d+)?(,|$)/;

/** Processor model under software emulation, without one of the user: QEMU's default, or everything it can emulate. */
export type EmulatedCpu = 'default' | 'max';

/** QEMU's default boots fastest, but has only the first level; an image about which nothing is known may need more. */
export function emulatedCpuOf(guest: { readonly cpuLevel?: CpuLevel } | undefined): EmulatedCpu {
  return guest !== undefined && guest.cpuLevel === undefined ? 'default' : 'max';
}

/** Whether a model of QEMU lacks instructions that an image requires. */
export function lacksLevel(model: string, level: CpuLevel | undefined): boolean {
  if (level === undefined) return false;
  return FIRST_LEVEL.test(model) || (level === 'x86-64-v3' && SECOND_LEVEL.test(model));
}
