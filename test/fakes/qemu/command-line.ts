/** What the fake takes from QEMU's command line; the rest it accepts and leaves alone. */
export interface CommandLine {
  readonly name: string;
  /** What QEMU would say of a name that it takes for an option of its own. */
  readonly wrongName: string | undefined;
  readonly wantsVersion: boolean;
  readonly disks: readonly string[];
  /** Port of 127.0.0.1 that leads to the guest's ssh, 0 for any; undefined without a network card. */
  readonly sshPort: number | undefined;
  readonly qmpDescriptor: number | undefined;
  /** File that keeps what the serial console says. */
  readonly serialLog: string | undefined;
  /** The serial console is our stdin and stdout. */
  readonly onTerminal: boolean;
}

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
    sshPort: forwarded === undefined ? undefined : Number(forwarded),
    qmpDescriptor: descriptor === undefined ? undefined : Number(descriptor),
    serialLog: firstMatch(chardevs, /logfile=([^,]+)/),
    onTerminal: console?.startsWith('stdio') === true,
  };
}

function valuesOf(argv: readonly string[], flag: string): string[] {
  return argv.filter((_value, index) => argv[index - 1]?.replace(/^--?/, '') === flag);
}

function firstMatch(values: readonly string[], pattern: RegExp): string | undefined {
  return values.flatMap((value) => pattern.exec(value)?.[1] ?? [])[0];
}
