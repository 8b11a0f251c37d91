import type { Remedies } from './finding.ts';

/** Install commands for a package; where a distribution's name is omitted, the previous one applies. */
export function packages(debian: string, fedora = debian, arch = fedora): { readonly get: Remedies } {
  return {
    get: { debian: `apt install ${debian}`, fedora: `dnf install ${fedora}`, arch: `pacman -S ${arch}` },
  };
}
