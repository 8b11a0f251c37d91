import type { Executors, PlugIn, StepContext } from '../plan/executor.ts';
import { parseIpv4, subnetAround } from '../options/ipv4.ts';
import { trace } from '../host/trace.ts';
import type { CloseNetwork, OpenNetwork } from '../plan/step.ts';
import { dhcpServer } from './dhcp.ts';
import { Switch } from './switch.ts';

/** An open network, and the VMs whose links were cut. */
interface Open {
  readonly switch: Switch;
  readonly leases: Map<string, number>;
  readonly cut: Set<string>;
  /** Number of users: VMs of a project come and go. */
  users: number;
}

/** Networks of this process: nothing listens, and no other process can join. */
export class OpenNetworks {
  readonly executors: Pick<Executors, 'network.open' | 'network.close'> = {
    'network.open': (step) => this.#open(step),
    'network.close': (step, context) => this.#close(step, context),
  };
  readonly #networks = new Map<string, Open>();

  /** Connects a VM to an open network. */
  readonly plugIn: PlugIn = (network, vm, channel) => {
    const open = this.#networks.get(network);
    if (open === undefined) throw new Error(`no network ${network} is open`);
    open.switch.plug(vm, channel);
  };

  #open(step: OpenNetwork): Promise<void> {
    const open = this.#networks.get(step.network) ?? openNetwork(step);
    for (const { mac, address } of step.cards) open.leases.set(mac, parseIpv4(address) ?? 0);
    open.users += 1;
    this.#networks.set(step.network, open);
    return Promise.resolve();
  }

  #close({ network }: CloseNetwork, { warn }: StepContext): Promise<void> {
    const open = this.#networks.get(network);
    if (open === undefined || --open.users > 0) return Promise.resolve();
    this.#networks.delete(network);
    open.switch.close();
    for (const vm of open.cut) {
      const message = `its link to the network "${network}" was cut: it sent invalid Ethernet frames`;
      const hint = 'it is unreachable on this network from then on: check its QEMU, and restart it';
      warn({ reason: 'machine', message, where: { kind: 'vm', vm }, hint });
    }
    return Promise.resolve();
  }
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
