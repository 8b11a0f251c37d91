import { OPTION_TABLE, optionsIn } from '../src/options/table.ts';

/** How wide a comment of the example may be. */
const WIDTH = 96;

/** The example file: every key that a Transientfile can hold, with its help, its default and a value. */
export function exampleTransientfile(): string {
  const further = optionsIn('file').filter((name) => name !== 'ssh-command');
  const options = further.flatMap((name) => {
    const { help, default: standard, merge, example } = OPTION_TABLE[name];
    const value = merge === 'append' ? `[${example}]` : example;
    const suffix = standard === undefined ? '' : ` [default: ${JSON.stringify(standard)}]`;
    return ['', ...comment(`${help}${suffix}`), `# ${name} = ${value}`];
  });
  return [
    '#:schema ./schemas/transientfile.schema.json',
    ...comment('Every key of a Transientfile. Relative paths are relative to this file.'),
    '',
    '[project]',
    ...comment('Running VMs are called NAME-VM [default: the name of the directory].'),
    'name = "shop"',
    '',
    ...comment(
      'Options of every VM of this file, unless its own table replaces them: any key of a VM table.',
    ),
    '[defaults]',
    'memory = "512M"',
    '',
    ...comment('Images by name. A name that the backend already holds is used from there.'),
    '[images.base]',
    ...comment('PROTOCOL=SOURCE, what follows NAME, in an image spec.'),
    'source = "file=./base.qcow2"',
    ...comment('SHA-256 checksum of the downloaded file, as printed by sha256sum; a mismatch is an error.'),
    `# sha256 = "${'0123456789abcdef'.repeat(4)}"`,
    '',
    ...comment('Networks between VMs by name; a table may be empty. See docs/networks.md.'),
    '[networks.lan]',
    ...comment('Its subnet [default: a free /24 in 10.77.0.0/16].'),
    '# subnet = "10.77.0.0/24"',
    '',
    '[vms.db]',
    'image = "base"',
    ...comment('A fixed address; without one a VM gets the next that is free, in the order of this file.'),
    'networks = [{ name = "lan", address = "10.77.0.10" }]',
    '',
    '[vms.web]',
    ...comment('A name from [images], or an image spec: NAME or NAME,PROTOCOL=SOURCE.'),
    'image = "base"',
    ...comment('VMs of this file that must be ready (answer ssh) before this one boots.'),
    'depends-on = ["db"]',
    ...comment('Networks it is connected to; the other VMs of a network are reachable by name.'),
    'networks = ["lan"]',
    ...comment(
      'The run exits with the exit code of a command; a VM with neither command nor console is a service.',
    ),
    'ssh-command = "uname -a"',
    ...comment(
      'Keep the VM in the VM store, as PROJECT-VM, until "transient rm"; otherwise its state is discarded.',
    ),
    '# persistent = true',
    ...comment('The same with another name.'),
    '# name = "shop-web-for-demos"',
    '',
    ...comment('All further options of a VM, each with an example:'),
    ...options,
    '',
  ].join('\n');
}

function comment(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (`${lines[last]} ${word}`.length > WIDTH) lines.push(word);
    else lines[last] = [lines[last], word].filter(Boolean).join(' ');
  }
  return lines.map((line) => `# ${line}`);
}
