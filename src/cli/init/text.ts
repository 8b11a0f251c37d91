import { formatImageSource, parseImageRef } from '../../options/option.ts';
import type { InitAnswers } from '../command.ts';

/** Name of the schema that lies beside a new Transientfile. */
export const SCHEMA_FILE = 'Transientfile.schema.json';

/** A Transientfile with these answers, which have been checked, and with comments on what else there is. */
export function transientfileText({ name, image, memory, command }: InitAnswers): string {
  const ref = parseImageRef(image);
  const source = typeof ref === 'string' ? undefined : ref.source;
  // a box says by its name where it comes from
  const isNamed = typeof ref !== 'string' && source !== undefined && ref.name !== image;
  const images = isNamed
    ? [
        '# Retrieved once and kept in the backend, read-only.',
        `[images.${key(ref.name)}]`,
        `source = ${basic(formatImageSource(source))}`,
        '',
      ]
    : [];
  return [
    `#:schema ./${SCHEMA_FILE}`,
    '# "transient plan" prints what "transient up" does with this file. Relative paths are relative to it.',
    '',
    '[project]',
    `name = ${basic(name)}`,
    '',
    ...images,
    '# A VM starts from its image anew in each run; nothing that it writes is kept.',
    '[vms.main]',
    `image = ${basic(isNamed ? ref.name : image)}`,
    `memory = ${basic(memory)}`,
    '# The exit code of this command is that of "transient up".',
    `ssh-command = ${basic(command)}`,
    '# Files of the project in the guest, live in both directions.',
    '# shared-folder = [".:/srv/project"]',
    '# Files that go in before the VM runs, and come out afterwards.',
    '# copy-in-before = ["./app.conf:/etc/app.conf"]',
    '# copy-out-after = ["/var/log/app.log:./out/"]',
    '# A port of this machine that leads into the guest.',
    '# forward = ["8080:80"]',
    '',
  ].join('\n');
}

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : basic(name);
}

/** A basic string of TOML is one of JSON, which lets one control character more be. */
function basic(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
