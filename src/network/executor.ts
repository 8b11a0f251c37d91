import type { Executors, PlugIn } from '../plan/executor.ts';
import { parseIpv4, subnetAround } from '../options/ipv4.ts';
import { trace } from '../host/trace.ts';
import type { OpenNetwork } from '../plan/step.ts';
import { dhcpServer } from './dhcp.ts';
import { Switch } from './switch.ts';

/** Executors of networks, and the function that connects a machine to an open one. */
export interface NetworkRoom {
  readonly executors: Pick<Executors, 'network.open' | 'network.close'>;
  readonly plugIn: PlugIn;
}

/** An open network, and the VMs whose links were cut. */
interface Open {
  readonly switch: Switch;
  readonly leases: Map<string, number>;
  readonly cut: Set<string>;
  /** Number of users: VMs of a project come and go. */
  users: number;
}

/** Creates the networks of this process: nothing listens, and no other process can join. */
export function networkRoom(): NetworkRoom {
  const networks = new Map<string, Open>();
  return {
    executors: {
      'network.open': (step) => {
        const open = networks.get(step.network) ?? openNetwork(step);
        for (const { mac, address } of step.cards) open.leases.set(mac, parseIpv4(address) ?? 0);
        open.users += 1;
        networks.set(step.network, open);
        return Promise.resolve();
      },
      'network.close': ({ network }, { warn }) => {
        const open = networks.get(network);
        if (open === undefined || --open.users > 0) return Promise.resolve();
        networks.delete(network);
        open.switch.close();
        for (const vm of open.cut) {
          const message = `its link to the network "${network}" was cut: it sent invalid Ethernet frames`;
          const hint = 'it is unreachable on this network from then on: check its QEMU, and restart it';
          warn({ reason: 'machine', message, where: { kind: 'vm', vm }, hint });
        }
        return Promise.resolve();
      },
    },
    plugIn: (network, vm, channel) => {
      const open = networks.get(network);
      if (open === undefined) throw new Error(`no network ${network} is open`);
      open.switch.plug(vm, channel);
    },
  };
}

function openNetwork({ network, prefix, cards }: OpenNetwork): Open {
  const leases = new Map(cards.map(({ mac, address }) => [mac, parseIpv4(address) ?? 0]));
  const [first = 0] = leases.values();
  const cut = new Set<string>();
  const onNonsense = (vm: string): void => {
    cut.add(vm);
    trace('info', () => `network ${network}: link of VM ${vm} cut`);
  };
  return {
    switch: new Switch(dhcpServer(subnetAround(first, prefix), leases), onNonsense),
    leases,
    cut,
    users: 0,
  };
}
