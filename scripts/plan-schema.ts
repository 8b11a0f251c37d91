// The published form of `transient plan --json`; the types of src/plan/step.ts are what it must agree with.
import * as z from 'zod';
import { IMAGE_PROTOCOLS } from '../src/options/values/image-sources.ts';
import type { Plan, Step } from '../src/plan/step.ts';

const strings = z.array(z.string());

const image = z.strictObject({
  name: z.string(),
  backend: z.string(),
  source: z.strictObject({ protocol: z.enum(IMAGE_PROTOCOLS), location: z.string() }).optional(),
  sha256: z.string().optional(),
});

const ssh = z.strictObject({
  user: z.string(),
  program: z.string(),
  timeout: z.number(),
  options: strings,
  port: z.int().optional(),
  netDriver: z.string(),
  wellKnownKeys: z.enum(['replace', 'restore', 'leave', 'python']),
});

const forwards = z.array(
  z.strictObject({ address: z.string(), host: z.int(), guest: z.int(), protocol: z.enum(['tcp', 'udp']) }),
);

const machine = z.strictObject({
  program: z.string(),
  memory: z.string(),
  cpus: z.int(),
  accel: z.enum(['auto', 'kvm', 'tcg']),
  virtioScsi: z.boolean(),
  qmpTimeout: z.number(),
  qemuArgs: strings,
});

const ending = z.union([
  z.strictObject({ kind: z.literal('at-once') }),
  z.strictObject({ kind: z.literal('orderly'), timeout: z.number() }),
]);

const base = {
  id: z.string(),
  title: z.string(),
  needs: strings,
  after: strings,
  undoes: z.string().optional(),
  always: z.boolean().optional(),
};
const ofVm = { ...base, vm: z.string() };
const copying = {
  host: z.string(),
  guest: z.string(),
  rsync: z.boolean(),
  through: z.union([
    z.strictObject({ kind: z.literal('builder') }),
    z.strictObject({ kind: z.literal('ssh'), ssh }),
  ]),
  timeout: z.number().optional(),
};
const folders = z.array(z.strictObject({ host: z.string(), guest: z.string(), readonly: z.boolean() }));
const shares = z.strictObject({
  sshfs: folders,
  '9p': folders,
  virtiofs: folders,
  sftpServer: z.string(),
  unchanged: strings,
});
const inStore = { name: z.string(), vmstore: z.string() };

const steps: Record<Step['kind'], z.ZodType> = {
  'image.retrieve': z.strictObject({ kind: z.literal('image.retrieve'), ...base, image }),
  'image.remove': z.strictObject({
    kind: z.literal('image.remove'),
    ...base,
    image: z.string(),
    backend: z.string(),
    vmstore: z.string(),
    force: z.boolean(),
  }),
  'image.commit': z.strictObject({
    kind: z.literal('image.commit'),
    ...ofVm,
    image: z.string(),
    backend: z.string(),
  }),
  'vm.create': z.strictObject({
    kind: z.literal('vm.create'),
    ...ofVm,
    ...inStore,
    images: z.array(image),
    config: z.string(),
    ours: z.string(),
    existing: z.enum(['refuse', 'use']),
    announce: z.boolean(),
  }),
  'vm.lock': z.strictObject({
    kind: z.literal('vm.lock'),
    ...ofVm,
    ...inStore,
    purpose: z.enum(['run', 'commit', 'copy']),
    image: z.string().optional(),
  }),
  'vm.unlock': z.strictObject({ kind: z.literal('vm.unlock'), ...ofVm }),
  'vm.stop': z.strictObject({
    kind: z.literal('vm.stop'),
    ...base,
    ...inStore,
    together: strings,
    kill: z.boolean(),
    ifRunning: z.boolean(),
  }),
  'vm.remove': z.strictObject({
    kind: z.literal('vm.remove'),
    ...base,
    ...inStore,
    vm: z.string().optional(),
  }),
  'builder.boot': z.strictObject({
    kind: z.literal('builder.boot'),
    ...ofVm,
    readOnly: z.boolean(),
    copies: z.int(),
    builder: z.strictObject({ kernel: z.string().optional(), initrd: z.string().optional() }),
  }),
  'builder.stop': z.strictObject({ kind: z.literal('builder.stop'), ...ofVm }),
  'copy.in': z.strictObject({ kind: z.literal('copy.in'), ...ofVm, ...copying }),
  'copy.out': z.strictObject({ kind: z.literal('copy.out'), ...ofVm, ...copying }),
  'machine.attach': z.strictObject({
    kind: z.literal('machine.attach'),
    ...ofVm,
    port: z.int(),
    loginKey: z.string(),
    sharedLogin: z.string().optional(),
    qemu: z.strictObject({ pid: z.int(), started: z.number(), boot: z.string(), space: z.string() }),
  }),
  'machine.boot': z.strictObject({
    kind: z.literal('machine.boot'),
    ...ofVm,
    instance: z.string(),
    images: z.array(image),
    disks: z.enum(['snapshot', 'stored']),
    vmstore: z.string(),
    machine,
    shares: shares.pick({ '9p': true, virtiofs: true }).optional(),
    ssh: ssh.optional(),
    forwards,
    networks: z.array(z.strictObject({ name: z.string(), mac: z.string() })),
    console: z.boolean(),
    showSerial: z.enum(['never', 'boot', 'console', 'always']),
    serialLog: z.string().optional(),
  }),
  'share.serve': z.strictObject({ kind: z.literal('share.serve'), ...ofVm, shares }),
  'share.withdraw': z.strictObject({ kind: z.literal('share.withdraw'), ...ofVm }),
  'share.mount': z.strictObject({
    kind: z.literal('share.mount'),
    ...ofVm,
    ssh,
    shares,
    closesPort: z.literal(true).optional(),
  }),
  'share.unmount': z.strictObject({ kind: z.literal('share.unmount'), ...ofVm }),
  'machine.ports': z.strictObject({
    kind: z.literal('machine.ports'),
    ...base,
    vms: z.array(z.strictObject({ vm: z.string(), ssh: ssh.optional(), forwards })),
  }),
  'network.open': z.strictObject({
    kind: z.literal('network.open'),
    ...base,
    network: z.string(),
    prefix: z.int(),
    cards: z.array(z.strictObject({ mac: z.string(), address: z.string() })),
  }),
  'network.close': z.strictObject({ kind: z.literal('network.close'), ...base, network: z.string() }),
  'network.join': z.strictObject({
    kind: z.literal('network.join'),
    ...ofVm,
    ssh,
    networks: z.array(
      z.strictObject({
        name: z.string(),
        address: z.string(),
        prefix: z.int(),
        mac: z.string(),
        peers: z.array(z.strictObject({ name: z.string(), address: z.string() })),
      }),
    ),
  }),
  'machine.console': z.strictObject({ kind: z.literal('machine.console'), ...ofVm }),
  'machine.stop': z.strictObject({ kind: z.literal('machine.stop'), ...ofVm, ending }),
  'machine.hold': z.strictObject({
    kind: z.literal('machine.hold'),
    ...base,
    vm: z.string().optional(),
    vms: strings,
  }),
  'session.end': z.strictObject({ kind: z.literal('session.end'), ...ofVm }),
  'guest.ready': z.strictObject({
    kind: z.literal('guest.ready'),
    ...ofVm,
    ssh,
    forSession: z.boolean(),
    closesPort: z.literal(true).optional(),
    exposed: strings.optional(),
  }),
  'keys.restore': z.strictObject({ kind: z.literal('keys.restore'), ...ofVm }),
  'guest.ready-command': z.strictObject({
    kind: z.literal('guest.ready-command'),
    ...ofVm,
    ssh,
    command: z.string(),
    timeout: z.number(),
  }),
  'guest.leave': z.strictObject({ kind: z.literal('guest.leave'), ...ofVm }),
  'guest.run': z.strictObject({
    kind: z.literal('guest.run'),
    ...ofVm,
    ssh,
    command: z.string(),
    ownsTerminal: z.boolean(),
  }),
  'guest.console': z.strictObject({ kind: z.literal('guest.console'), ...ofVm, ssh }),
};

/** JSON Schema of the output of `plan --json`. */
export const planSchema: z.ZodType = z.strictObject({
  version: z.literal(1),
  steps: z.array(z.union(Object.values(steps))),
  foreground: strings,
  exitFrom: strings,
  keepGoing: z.boolean().optional(),
  starts: z
    .strictObject({ limit: z.int(), spans: z.array(z.strictObject({ from: z.string(), to: z.string() })) })
    .optional(),
} satisfies Record<keyof Plan | 'version', z.ZodType>);
