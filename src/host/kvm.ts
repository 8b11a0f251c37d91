import { closeSync, openSync, readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { errorCode } from '../problem.ts';

/** Why KVM cannot be used for a guest of an architecture (QEMU's name for it), or undefined where it can. */
export function whyNoKvm(guestArchitecture: string): string | undefined {
  if (guestArchitecture !== hostArchitecture()) {
    return `the guest's architecture (${guestArchitecture}) is not the host's (${hostArchitecture()})`;
  }
  return whyNoDevice() ?? whyNoProcessor();
}

/** The architecture that we run on, by the name that QEMU has for it. */
export function hostArchitecture(): string {
  const names: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i386' };
  return names[arch()] ?? arch();
}

function whyNoDevice(): string | undefined {
  try {
    closeSync(openSync('/dev/kvm', 'r+'));
    return undefined;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'there is no /dev/kvm';
    if (errorCode(error) === 'EACCES')
      return 'you may not open /dev/kvm (your user may have to join the group "kvm")';
    return '/dev/kvm cannot be opened';
  }
}

/** A container can show a `/dev/kvm` on which no guest runs: on x86 the processor must offer the extension too. */
function whyNoProcessor(): string | undefined {
  if (arch() !== 'x64' && arch() !== 'ia32') return undefined;
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(flags)
    ? undefined
    : '/dev/kvm is there, but the processor shows neither vmx nor svm';
}
