import type { NetworkCard } from '../config/vm-spec.ts';
import { PATIENCE_VARIABLE, limited, patience } from '../host/deadline.ts';
import type { Executors, StepContext } from '../plan/executor.ts';
import type { JoinNetworks } from '../plan/step.ts';
import { TransientError, type Problem } from '../problem.ts';
import type { ScriptResult, GuestShell } from '../transfer/guest-shell.ts';
import { quoted } from '../shell-quote.ts';

/** Finds a shell in the guest that joins its networks. */
export type FindGuest = (step: JoinNetworks, context: StepContext) => Promise<GuestShell>;

/** Executor that joins a guest to its networks; idempotent. */
export function joinExecutor(find: FindGuest): Pick<Executors, 'network.join'> {
  return {
    'network.join': async (step, context) => {
      const answer = await limited(
        context.signal,
        patience('join'),
        () => tooSlow(step),
        async (signal) => {
          const shell = await find(step, { ...context, signal });
          return shell.run(`exec ${shell.sudo} sh -c ${quoted(joinScript(step.networks))}`, signal);
        },
      );
      if (answer.code !== 0) throw new TransientError(problemOf(step, answer));
    },
  };
}

/** Exit codes of the script. */
const NO_ROOT = 101;
const NO_IP = 102;
const NO_CARD = 103;
const NO_ADDRESS = 104;
const NO_HOSTS = 105;

/** Markers around our lines in the guest's hosts file. */
const BEGIN = '# transient: begin';
const END = '# transient: end';

/** Paths that the script works on. */
interface Places {
  readonly cards: string;
  readonly hosts: string;
  /** Maximum number of checks for a card, one second apart. */
  readonly looks: number;
}

const IN_A_GUEST: Places = { cards: '/sys/class/net', hosts: '/etc/hosts', looks: 20 };

/**
 * Script that brings up each card with its address and adds the names of the other VMs; for any POSIX shell with `ip`
 * and `sed`.
 */
export function joinScript(networks: readonly NetworkCard[], places: Places = IN_A_GUEST): string {
  const names = networks.flatMap(({ peers }) => peers.map(({ name, address }) => `${address} ${name}`));
  const block = [BEGIN, ...names, END].join('\n');
  const joins = networks.map(({ mac, address, prefix }) => `join ${mac} ${address}/${prefix}`);
  return `
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || exit ${NO_ROOT}
command -v ip >/dev/null || exit ${NO_IP}

# a bridge or a VLAN can have the address of a card too
card_of() {
  for card in ${places.cards}/*; do
    [ -e "$card/device" ] && [ "$(cat "$card/address")" = "$1" ] && { echo "\${card##*/}"; return; }
  done
}
has() { ip -4 addr show dev "$1" | grep -qF " $2 "; }
join() {
  looks=${places.looks}
  until card=$(card_of "$1") && [ -n "$card" ]; do
    looks=$((looks - 1))
    [ $looks -gt 0 ] || { echo "$1" >&2; exit ${NO_CARD}; }
    sleep 1
  done
  ip link set dev "$card" up || exit ${NO_ADDRESS}
  # a DHCP client of the guest may be there first, or at this very moment
  has "$card" "$2" || ip addr add "$2" broadcast + dev "$card" || has "$card" "$2" || exit ${NO_ADDRESS}
}
${joins.join('\n')}

block=${quoted(block)}
rest=$(sed '/^${BEGIN}$/,/^${END}$/d' ${places.hosts}) || exit ${NO_HOSTS}
[ "$(cat ${places.hosts})" = "$rest
$block" ] || printf '%s\\n%s\\n' "$rest" "$block" >${places.hosts} || exit ${NO_HOSTS}
`;
}

function tooSlow({ networks }: JoinNetworks): Problem {
  return {
    reason: 'guest',
    message: `the guest did not join ${networkNames(networks)} within ${patience('join') / 1000} s`,
    hint: `check its serial console (--log-dir), or try it manually with "transient ssh"; ${PATIENCE_VARIABLE}=3 waits three times as long`,
  };
}

function networkNames(networks: readonly NetworkCard[]): string {
  return networks.map(({ name }) => `"${name}"`).join(' and ');
}

function problemOf({ ssh: { user }, networks }: JoinNetworks, { code, stderr }: ScriptResult): Problem {
  const text = stderr.trim();
  const details = text === '' ? {} : { details: text.split('\n') };
  const problem = (message: string, hint?: string): Problem => ({
    reason: 'guest',
    message: `cannot join ${networkNames(networks)}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
  });
  switch (code) {
    case NO_ROOT:
      return problem(
        `user ${user} may not use sudo in the guest without a password`,
        'log in as root with --ssh-user, or let that user use sudo',
      );
    case NO_IP:
      return problem('the program "ip" is missing in the guest', 'install the package iproute2, or busybox');
    case NO_CARD:
      return problem(
        `the guest has no network card with the address ${text}`,
        'it needs a driver for virtio network cards',
      );
    case NO_ADDRESS:
      return { ...problem('the address could not be assigned to the card in the guest'), ...details };
    case NO_HOSTS:
      return { ...problem('the names of the other VMs could not be written to /etc/hosts'), ...details };
    default:
      return { ...problem(`the script in the guest exited with ${code}`), ...details };
  }
}
