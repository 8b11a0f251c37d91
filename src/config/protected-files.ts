import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import type { Problem } from '../problem.ts';
import type { ResolvedVm } from './conflicts.ts';
import { mergeLayers } from './merge.ts';
import type { Transientfile } from './transientfile.ts';
import type { SharesSpec } from './vm-spec.ts';
import { isWithin, pathComponents } from './path-components.ts';

const PROGRAMS = ['qemu-bin-name', 'ssh-bin-name', 'sftp-bin-name'] as const satisfies OptionName[];
const PARTS = ['builder-kernel', 'builder-initrd'] as const satisfies OptionName[];

/** What no guest may change: the file itself, by all paths that lead to it, and the files that it has the host run. */
export function unchangedFiles(
  { defaults, vms }: Transientfile,
  itself: readonly string[],
  above: readonly Layer[],
  workingDirectory: string,
): string[] {
  const named = vms.flatMap(({ layer }) =>
    runOnHost(mergeLayers([defaults, layer, ...above]).values, workingDirectory),
  );
  return [...new Set([...itself, ...named])].toSorted();
}

/** Paths among the values; a program without a slash is looked for on PATH, and no file of the project. */
function runOnHost(values: Partial<OptionValues>, workingDirectory: string): string[] {
  const paths = (words: readonly string[]): string[] =>
    words.filter((word) => word.includes('/')).map((word) => resolve(workingDirectory, word));
  // as in "ProxyCommand=./proxy %h"
  const ofSsh = (values['ssh-option'] ?? []).flatMap((option) => option.split(/[\s='"]+/));
  return [
    ...paths(PROGRAMS.flatMap((name) => values[name] ?? [])),
    ...paths(ofSsh).filter((path) => existsSync(path)),
    ...PARTS.flatMap((name) => values[name] ?? []),
  ];
}

/** Folders in which a guest could change such a file, since what is shared as a device of the machine is not looked at. */
export function changeableFiles({ base }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  return vms.flatMap(({ spec, merged }) =>
    (['9p', 'virtiofs'] as const).flatMap((way) =>
      spec.shares[way].flatMap(({ host, readonly }): Problem[] => {
        const file = readonly ? undefined : fileWithin(host, spec.shares);
        const where = merged.where('shared-folder');
        if (file === undefined) return [];
        return [
          {
            reason: 'conflict',
            message: `VM "${spec.name}" cannot share ${relative(base, host) || './'} by ${way}: its guest could change ${relative(base, file)}, which decides what runs on the host`,
            ...(where ? { where } : {}),
            hint: 'leave via out (sshfs keeps that file as it is), add readonly = true, or share a directory below it',
          },
        ];
      }),
    ),
  );
}

/** The first file that a directory holds, or that what it holds leads to. */
function fileWithin(host: string, { unchanged }: SharesSpec): string | undefined {
  const directory = pathComponents(host).at(-1);
  return unchanged.find((file) =>
    pathComponents(file).some(({ path }) => directory && isWithin(path, directory.path)),
  );
}
