import type { Fixture } from '../fixture.ts';
import type { Topic } from '../scenario.ts';
import { DB, VM, base } from './parts.ts';

/** Two VMs in a network, of which the one is to come after the other. */
const JOINED = `[networks.lan]

${DB}networks = ["lan"]

${VM}networks = ["lan"]
depends-on = ["db"]
ssh-command = "make test"
`;

export const networks: Topic = {
  title: 'Networks and ports',
  scenarios: [
    {
      form: 'there is no network "NAME"',
      files: { 'Transientfile.toml': `[networks.lan]\n\n${VM}networks = ["lna"]\n` },
      typed: ['transient up'],
    },
    {
      form: 'VM "NAME" is already in network "NAME"',
      files: { 'Transientfile.toml': `[networks.lan]\n\n${VM}networks = ["lan", "lan"]\n` },
      typed: ['transient up'],
    },
    {
      form: 'network "NAME" overlaps RANGE',
      files: {
        'Transientfile.toml': `[networks.lan]
subnet = "10.77.0.0/16"

[networks.dmz]
subnet = "10.77.5.0/24"

[networks.wan]
subnet = "10.0.2.0/24"

${VM}`,
      },
      typed: ['transient up'],
    },
    {
      form: 'address ADDRESS …',
      files: {
        'Transientfile.toml': `[networks.lan]
subnet = "10.77.0.0/24"

${DB}networks = [{ name = "lan", address = "10.77.1.5" }]

[vms.first]
image = "base"
networks = [{ name = "lan", address = "10.77.0.0" }]

[vms.last]
image = "base"
networks = [{ name = "lan", address = "10.77.0.255" }]

[vms.mail]
image = "base"
networks = [{ name = "lan", address = "10.77.0.5" }]

${VM}networks = [{ name = "lan", address = "10.77.0.5" }]
`,
      },
      typed: ['transient up'],
    },
    {
      form: 'network "NAME" (RANGE) has no address left for VM "NAME"',
      files: {
        'Transientfile.toml': `[networks.lan]\nsubnet = "10.77.0.0/30"\n\n${DB}networks = ["lan"]\n\n${VM}networks = ["lan"]\n`,
      },
      typed: ['transient up'],
      advice: 'The first address of a network is reserved for a gateway.',
    },
    {
      form: 'cannot join "NAME": user USER may not use sudo in the guest without a password',
      files: { 'Transientfile.toml': JOINED },
      prepare: joining(101),
      typed: ['transient up'],
    },
    {
      form: 'cannot join "NAME": the program "ip" is missing in the guest',
      files: { 'Transientfile.toml': JOINED },
      prepare: joining(102),
      typed: ['transient up'],
    },
    {
      form: 'cannot join "NAME": the guest has no network card with the address ADDRESS',
      files: { 'Transientfile.toml': JOINED },
      prepare: joining(103, '52:54:00:8f:11:c2'),
      typed: ['transient up'],
    },
    {
      form: 'cannot join "NAME": the address could not be assigned to the card in the guest',
      files: { 'Transientfile.toml': JOINED },
      prepare: joining(104, 'RTNETLINK answers: Operation not permitted'),
      typed: ['transient up'],
    },
    {
      form: 'cannot join "NAME": the names of the other VMs could not be written to /etc/hosts',
      files: { 'Transientfile.toml': JOINED },
      prepare: joining(105, 'sh: cannot create /etc/hosts: Read-only file system'),
      typed: ['transient up'],
    },
    {
      form: 'cannot join "NAME": the script in the guest exited with NUMBER',
      files: { 'Transientfile.toml': JOINED },
      prepare: joining(137, 'Killed'),
      typed: ['transient up'],
    },
    {
      form: 'the guest did not join "NAME" within SECONDS s',
      prepare: (fixture) => {
        base(fixture);
        fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.02';
      },
      files: { 'Transientfile.toml': JOINED },
      faults: { hangs: 'transient: begin' },
      typed: ['transient up'],
    },
    {
      form: 'its link to the network "NAME" was cut: it sent invalid Ethernet frames',
      when: 'A warning, at the end of the run.',
      files: {
        'Transientfile.toml': JOINED.replace('depends-on = ["db"]\n', '').replace('make test', 'sleep 0.5'),
      },
      prepare: (fixture) => {
        base(fixture);
        fixture.guest({ id: 'echo 1000', sudo: 'exit 0' });
      },
      faults: { byName: { 'shop-db': { noFrames: true } } },
      typed: ['transient up'],
    },
    {
      form: 'cannot use port NUMBER of ADDRESS for ssh: it is already in use',
      prepare: async (fixture) => {
        base(fixture);
        await fixture.occupied(2222);
      },
      typed: ['transient run base --ssh-port 2222 --cmd true'],
    },
    {
      form: "cannot use port NUMBER of ADDRESS for the guest's NUMBER/tcp: it is already in use",
      prepare: async (fixture) => {
        base(fixture);
        await fixture.occupied(8888);
      },
      typed: ['transient run base --forward 8888:80 --cmd true'],
      advice: '`ss -ltnp` lists listening processes.',
    },
    {
      form: "cannot use port NUMBER of ADDRESS for the guest's NUMBER/tcp: the host has no such address",
      prepare: base,
      typed: ['transient run base --forward 192.0.2.1:8080:80 --cmd true'],
      advice: '`0.0.0.0` stands for all addresses of the host.',
    },
    {
      form: 'VM "NAME" uses host port NUMBER twice',
      typed: [
        'transient run base --ssh-port 2222 --forward 2222:80 --forward 53:53/udp --forward 53:5353/udp',
      ],
    },
    {
      form: 'VMs "NAME" and "NAME" have the same ssh-port NUMBER',
      files: { 'Transientfile.toml': `${DB}ssh-port = 2222\n\n${VM}ssh-port = 2222\n` },
      typed: ['transient up'],
    },
    {
      form: 'VMs "NAME" and "NAME" both use host port NUMBER',
      files: {
        'Transientfile.toml': `${DB}forward = ["8080:80", "53:53/udp"]\n\n${VM}forward = ["8080:8080", "53:53/udp"]\n`,
      },
      typed: ['transient up'],
    },
  ],
};

/** A guest in which the script that joins it to its networks ends so. */
function joining(code: number, words = ''): (fixture: Fixture) => void {
  const failing = `echo '${words}' >&2; exit ${code}`;
  return (fixture) => {
    base(fixture);
    fixture.guest({ id: 'echo 1000', sudo: `[ "$*" = '-n true' ] && exit; ${failing}` });
  };
}
