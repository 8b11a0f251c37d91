import { SSH_CARD_MAC } from '../config/seed-spec.ts';
import type { VmSpec } from '../config/vm-spec.ts';
import { OPTION_TABLE } from '../options/table.ts';
import { pathFact, vmTitle } from './facts.ts';
import { newStep } from './new-step.ts';
import type { SeedCard, Step } from './step.ts';

/** Address that QEMU's user-mode network gives to its first guest, its gateway and its DNS server (QEMU, docs/system/net). */
const SSH_CARD: SeedCard = {
  mac: SSH_CARD_MAC,
  address: '10.0.2.15',
  prefix: 24,
  gateway: '10.0.2.2',
  nameserver: '10.0.2.3',
};

/** Maximum length of a label of a host name (RFC 1035). */
const LONGEST_LABEL = 63;

/** Steps that create the seed of a VM before its boot, and remove it after its stop. */
export function seedSteps(spec: VmSpec): { readonly create: Step[]; readonly remove: Step[] } {
  const { name: vm, seed, ssh, state, networks } = spec;
  if (seed === undefined) return { create: [], remove: [] };
  const user = ssh?.user ?? String(OPTION_TABLE['ssh-user'].default);
  const create = newStep({
    id: `${vm}/seed`,
    kind: 'seed.create',
    phase: 'prepare',
    vm,
    title: vmTitle('Create seed of', vm),
    detail: [`user ${user}`, pathFact('user-data', seed.userData)],
    needs: state === undefined ? [] : [`${vm}/lock`],
    user,
    hostname: hostnameOf(vm),
    guest: seed.guest,
    ...(seed.userData === undefined ? {} : { userData: seed.userData }),
    cards: [
      ...(ssh === undefined ? [] : [SSH_CARD]),
      ...networks.map(({ mac, address, prefix }) => ({ mac, address, prefix })),
    ],
    disks: state === undefined ? 'snapshot' : 'stored',
  });
  const remove = newStep({
    id: `${vm}/seed-remove`,
    kind: 'seed.remove',
    phase: 'stop',
    vm,
    title: vmTitle('Remove seed of', vm),
    after: [`${vm}/stop`],
    undoes: create.id,
  });
  return { create: [create], remove: [remove] };
}

/** Host name of a VM: its name, with a hyphen for what a host name cannot contain. */
function hostnameOf(vm: string): string {
  const label = vm.replaceAll(/[^A-Za-z0-9-]+/g, '-').slice(0, LONGEST_LABEL);
  return label.replaceAll(/^-+|-+$/g, '') || 'vm';
}
