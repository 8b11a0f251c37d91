import { imageSource, imageSpec } from '../../options/values/image-spec.ts';

/** Values for a new Transientfile, as typed. */
export interface InitAnswers {
  readonly name: string;
  readonly image: string;
  readonly memory: string;
  readonly command: string;
}

/** Name of the schema file written next to a new Transientfile. */
export const SCHEMA_FILE = 'Transientfile.schema.json';

/** Text of a Transientfile with these validated answers, and comments about further options. */
export function transientfileText({ name, image, memory, command }: InitAnswers): string {
  const { name: imageName, source } = imageSpec().parse(image);
  const images =
    source === undefined
      ? []
      : [
          '# Retrieved once and kept in the backend, read-only.',
          `[images.${key(imageName)}]`,
          `source = ${basic(imageSource.encode(source))}`,
          '',
        ];
  return [
    `#:schema ./${SCHEMA_FILE}`,
    '# "transient plan" prints what "transient up" does with this file. Relative paths are relative to it.',
    '',
    '[project]',
    `name = ${basic(name)}`,
    '',
    ...images,
    '# The VM starts from a clean image in each run; its changes are discarded.',
    '[vms.main]',
    `image = ${basic(imageName)}`,
    `memory = ${basic(memory)}`,
    '# "transient up" exits with the exit code of this command.',
    `ssh-command = ${basic(command)}`,
    '# Share the project with the guest, live in both directions.',
    '# shared-folder = [".:/srv/project"]',
    '# Copy files in before the VM runs, and out afterwards.',
    '# copy-in-before = ["./app.conf:/etc/app.conf"]',
    '# copy-out-after = ["/var/log/app.log:./out/"]',
    '# Forward a port of the host to the guest.',
    '# forward = ["8080:80"]',
    '',
  ].join('\n');
}

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : basic(name);
}

/** Formats a TOML basic string: JSON, but with DEL escaped too. */
function basic(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
