import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Layer } from '../options/layer.ts';
import type { OptionName, OptionValues } from '../options/table.ts';
import type { Problem } from '../problem.ts';
import type { ResolvedVm } from './conflicts.ts';
import { mergeLayers } from './merge.ts';
import type { Transientfile } from './transientfile.ts';
import type { SharesSpec } from './shares.ts';
import { isWithin, pathComponents } from './path-components.ts';

const PROGRAMS = ['qemu-bin-name', 'ssh-bin-name', 'sftp-bin-name'] as const satisfies OptionName[];
const PARTS = ['builder-kernel', 'builder-initrd'] as const satisfies OptionName[];

/** Files that no guest may change: the Transientfile, by all paths that lead to it, and host programs it configures. */
export function unchangedFiles(
  { defaults, vms }: Transientfile,
  itself: readonly string[],
  upper: readonly Layer[],
  workingDirectory: string,
): string[] {
  const named = vms.flatMap(({ layer }) =>
    runOnHost(mergeLayers([defaults, layer, ...upper]).values, workingDirectory),
  );
  return [...new Set([...itself, ...named.toSorted()])];
}

/** Paths among the values; a program without a slash is searched on PATH and so is no file of the project. */
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

/** Shared folders in which a guest could change such a file: with 9p and virtiofs we cannot filter its requests. */
export function changeableFiles({ base }: Transientfile, vms: readonly ResolvedVm[]): Problem[] {
  return vms.flatMap(({ spec, merged }) =>
    (['9p', 'virtiofs'] as const).flatMap((way) =>
      spec.shares[way].flatMap(({ host, readonly }): Problem[] => {
        const file = readonly ? undefined : fileWithin(host, spec.shares);
        if (file === undefined) return [];
        return [
          {
            reason: 'conflict',
            message: `VM "${spec.name}" cannot share ${relative(base, host) || './'} with ${way}: the guest could change ${relative(base, file)}, which controls what runs on the host`,
            where: merged.where('shared-folder'),
            hint: 'remove "via" (sshfs protects that file), add readonly = true, or share a subdirectory',
          },
        ];
      }),
    ),
  );
}

/** The first protected file in a directory, directly or through links. */
function fileWithin(host: string, { unchanged }: SharesSpec): string | undefined {
  const directory = pathComponents(host).at(-1);
  return unchanged.find((file) =>
    pathComponents(file).some(({ path }) => directory && isWithin(path, directory.path)),
  );
}
