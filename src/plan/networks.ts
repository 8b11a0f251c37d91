import type { SshSpec } from '../config/ssh.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import { formatSubnet, parseIpv4, subnetAround } from '../options/ipv4.ts';
import type { JoinNetworks, Step, StepId } from './step.ts';
import { counted } from './facts.ts';
import { newStep } from './new-step.ts';

function openingId(network: string): StepId {
  return `network/${network}/open`;
}

/** Steps that open the networks of VMs, and those that close them once the VMs have stopped. */
export function networkSteps(specs: readonly VmSpec[]): Step[] {
  const names = new Set(specs.flatMap(({ networks }) => networks.map(({ name }) => name)));
  return [...names].flatMap((network): Step[] => {
    const members = specs.flatMap(({ name: vm, networks }) =>
      networks.filter(({ name }) => name === network).map((card) => ({ vm, card })),
    );
    const { address = '', prefix = 0 } = members[0]?.card ?? {};
    const subnet = formatSubnet(subnetAround(parseIpv4(address) ?? 0, prefix));
    const undoes = openingId(network);
    return [
      newStep({
        id: undoes,
        kind: 'network.open',
        phase: 'prepare',
        title: `Open network ${network}`,
        detail: [subnet, counted(members.length, 'card')],
        network,
        prefix,
        cards: members.map(({ card: { mac, address: ip } }) => ({ mac, address: ip })),
      }),
      newStep({
        id: `network/${network}/close`,
        kind: 'network.close',
        phase: 'stop',
        title: `Close network ${network}`,
        after: members.map(({ vm }) => `${vm}/stop`),
        undoes,
        network,
      }),
    ];
  });
}

/** Steps that open the networks of a VM, before it boots. */
export function networksFor({ networks }: VmSpec): StepId[] {
  return networks.map(({ name }) => openingId(name));
}

/** Step that configures the networks in a guest once it accepts ssh. */
export function joinOf(
  { name: vm, networks }: Pick<VmSpec, 'name' | 'networks'>,
  ssh: SshSpec,
  ready: StepId,
): JoinNetworks[] {
  if (networks.length === 0) return [];
  const names = networks.map(({ name }) => name).join(', ');
  const title = `Join network${networks.length > 1 ? 's' : ''} ${names}`;
  const detail = networks.map(({ address, prefix }) => `${address}/${prefix}`);
  const id = `${vm}/join`;
  return [
    newStep({
      id,
      kind: 'network.join',
      phase: 'ready',
      vm,
      title,
      detail,
      needs: [ready],
      programs: [ssh.program],
      ssh,
      networks,
    }),
  ];
}
