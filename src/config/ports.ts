import type { Problem } from '../problem.ts';
import type { ResolvedVm } from './conflicts.ts';

/** A host port that a VM requires. */
interface Claim {
  readonly vm: ResolvedVm;
  readonly option: 'ssh-port' | 'forward';
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Host ports required twice, reported at the second place. */
export function sharedPorts(vms: readonly ResolvedVm[]): Problem[] {
  const claims = vms.flatMap(claimsOf);
  return claims.flatMap((claim, index): Problem[] => {
    const earlier = claims.slice(0, index).find((other) => sameSocket(other, claim));
    if (earlier === undefined) return [];
    return [
      {
        reason: 'conflict',
        message: conflict(earlier, claim),
        where: claim.vm.merged.where(claim.option),
        hint:
          claim.option === 'ssh-port'
            ? 'give each VM its own port, or none to have a free one picked'
            : 'give each forward its own port, or 0 to have a free one picked',
      },
    ];
  });
}

function claimsOf(vm: ResolvedVm): Claim[] {
  const { ssh, forwards } = vm.spec;
  const fixed = forwards.filter(({ host }) => host !== 0);
  return [
    ...(ssh?.port === undefined
      ? []
      : [{ vm, option: 'ssh-port', address: '127.0.0.1', port: ssh.port, protocol: 'tcp' } as const]),
    ...fixed.map(({ address, host: port, protocol }) => ({
      vm,
      option: 'forward' as const,
      address,
      port,
      protocol,
    })),
  ];
}

/** Wildcard address: all addresses of the host. */
const ANY = '0.0.0.0';

function sameSocket(one: Claim, other: Claim): boolean {
  const sameAddress = one.address === other.address || [one.address, other.address].includes(ANY);
  return one.port === other.port && one.protocol === other.protocol && sameAddress;
}

function conflict(one: Claim, other: Claim): string {
  const [first, second] = [one.vm.spec.name, other.vm.spec.name];
  const port = `${other.port}${other.protocol === 'udp' ? '/udp' : ''}`;
  if (first === second) return `VM "${first}" uses host port ${port} twice`;
  const vms = `VMs "${first}" and "${second}"`;
  if (one.option === 'ssh-port' && other.option === 'ssh-port')
    return `${vms} have the same ssh-port ${other.port}`;
  return `${vms} both use host port ${port}`;
}
