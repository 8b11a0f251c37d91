/** Things that are shown as others, since they differ from run to run. */
export class Placeholders {
  readonly #pairs: [shown: string, real: string][] = [];

  add(shown: string, real: string): void {
    this.#pairs.push([shown, real]);
  }

  /** Replaces placeholders in a command line. */
  real(text: string): string {
    return this.#pairs.reduce((result, [shown, real]) => result.replaceAll(shown, real), text);
  }

  /** Replaces real values in output by placeholders. */
  shown(text: string): string {
    const replaced = this.#pairs.reduce((result, [shown, real]) => result.replaceAll(real, shown), text);
    return CHANGING.reduce((result, [pattern, shown]) => result.replaceAll(pattern, shown), replaced);
  }
}

/** Replacements of values that differ between runs, and of names of the fake QEMU. */
const CHANGING: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/\bprocess \d+/g, 'process 4242'],
  [/\bproject-[0-9a-f]{16}\b/g, 'project-e54ffa1e8cb42663'],
  [/since [\d-]+ [\d:]+ UTC/g, 'since 2026-03-02 09:41:00 UTC'],
  [/[\d.]+ GB \(\d+ bytes\)/g, '8.2 GB (8203583488 bytes)'],
  [/belongs to user \d+, and we are user \d+/g, 'belongs to user 0, and we are user 1000'],
  [/for QEMU on \w+/g, 'for QEMU on amd64'],
  [/is not the host's \(\w+\)/g, "is not the host's (x86_64)"],
  [/SeaBIOS \(version fake\)/g, 'SeaBIOS (version 1.16.2-debian-1.16.2-1)'],
  [/Linux version 6\.1\.0-fake/g, 'Linux version 6.1.0-18-cloud-amd64'],
  [/Welcome to the fake guest!/g, 'Welcome to Debian GNU/Linux 12 (bookworm)!'],
  [/qemu-system-x86_64: the fake dies after \w+/g, 'error: kvm run failed Bad address'],
];
