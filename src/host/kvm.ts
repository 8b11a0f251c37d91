import { closeSync, openSync, readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { errorCode } from '../problem.ts';

/** Reason why KVM cannot be used for an architecture (in QEMU's naming), or undefined if it can. */
export function whyNoKvm(guestArchitecture: string): string | undefined {
  if (guestArchitecture !== hostArchitecture()) {
    return `the guest's architecture (${guestArchitecture}) is not the host's (${hostArchitecture()})`;
  }
  return whyNoDevice() ?? whyNoProcessor();
}

/** Host architecture in QEMU's naming. */
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

/** Checks the virtualization extension on x86: in a container, `/dev/kvm` may exist but not work. */
function whyNoProcessor(): string | undefined {
  if (arch() !== 'x64' && arch() !== 'ia32') return undefined;
  const flags = readFileSync('/proc/cpuinfo', 'utf8');
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(flags)
    ? undefined
    : '/dev/kvm exists, but the processor has neither vmx nor svm';
}
