/** Options of QEMU's command line that the fake uses; it accepts and ignores all others. */
export interface CommandLine {
  readonly name: string;
  /** QEMU's error for an unknown option. */
  readonly wrongName: string | undefined;
  readonly wantsVersion: boolean;
  readonly disks: readonly string[];
  /** Disk for cloud-init. */
  readonly seed: string | undefined;
  /** Writes to the disks are thrown away. */
  readonly snapshot: boolean;
  /** Port of 127.0.0.1 that leads to the guest's ssh, 0 for any; undefined without a network card. */
  readonly sshPort: number | undefined;
  /** Further forwards from the host, as the rows that QEMU would tell of them. */
  readonly forwards: readonly Forwarded[];
  readonly qmpDescriptor: number | undefined;
  /** Sockets of its cards in networks. */
  readonly networkDescriptors: readonly number[];
  /** File that keeps what the serial console says. */
  readonly serialLog: string | undefined;
  /** The serial console is our stdin and stdout. */
  readonly onTerminal: boolean;
}

/** A port of the host that leads to one of the guest. */
export interface Forwarded {
  readonly protocol: string;
  readonly address: string;
  readonly host: number;
  readonly guest: number;
}

/** First of the ports that are picked for forwards from any port: nobody listens there. */
const FIRST_PICKED = 40_001;

export function readCommandLine(argv: readonly string[]): CommandLine {
  const chardevs = valuesOf(argv, 'chardev');
  const console = chardevs.find((chardev) => chardev.includes('logfile='));
  const forwarded = firstMatch(valuesOf(argv, 'netdev'), /hostfwd=tcp:127\.0\.0\.1:(\d+)-:22\b/);
  const descriptor = firstMatch(chardevs, /^socket,id=qmp,fd=(\d+)/);
  const name = valuesOf(argv, 'name').at(-1) ?? '';
  const option = /^(?!guest=)([^,=]*)=/.exec(name)?.[1];
  return {
    name: name.replace(/^guest=/, ''),
    wrongName: option === undefined ? undefined : `-name ${name}: Invalid parameter '${option}'`,
    wantsVersion: argv.some((argument) => /^--?version$/.test(argument)),
    disks: valuesOf(argv, 'drive').flatMap(
      (drive) => /file=((?:[^,]|,,)+)/.exec(drive)?.[1]?.replaceAll(',,', ',') ?? [],
    ),
    seed: firstMatch(
      valuesOf(argv, 'blockdev'),
      /node-name=seed,.*file\.filename=((?:[^,]|,,)+)/,
    )?.replaceAll(',,', ','),
    snapshot: argv.includes('-snapshot'),
    sshPort: forwarded === undefined ? undefined : Number(forwarded),
    forwards: forwardsIn(valuesOf(argv, 'netdev')),
    qmpDescriptor: descriptor === undefined ? undefined : Number(descriptor),
    networkDescriptors: valuesOf(argv, 'netdev').flatMap((netdev) => {
      const number = /^socket,.*\bfd=(\d+)/.exec(netdev)?.[1];
      return number === undefined ? [] : [Number(number)];
    }),
    serialLog: firstMatch(chardevs, /logfile=([^,]+)/),
    onTerminal: console?.startsWith('stdio') === true,
  };
}

function forwardsIn(netdevs: readonly string[]): Forwarded[] {
  const ours = netdevs.filter((netdev) => netdev.includes('id=ssh')).join(',');
  return [...ours.matchAll(/hostfwd=(tcp|udp):([\d.]+):(\d+)-:(\d+)/g)]
    .slice(1)
    .map(([, protocol = '', address = '', host, guest], index) => ({
      protocol,
      address,
      host: Number(host) || FIRST_PICKED + index,
      guest: Number(guest),
    }));
}

function valuesOf(argv: readonly string[], flag: string): string[] {
  return argv.filter((_value, index) => argv[index - 1]?.replace(/^--?/, '') === flag);
}

function firstMatch(values: readonly string[], pattern: RegExp): string | undefined {
  return values.flatMap((value) => pattern.exec(value)?.[1] ?? [])[0];
}
