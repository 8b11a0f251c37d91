import type { Remedies } from './finding.ts';

/** How packages are installed; where a distribution is not said, the name is that of the one before it. */
export function packages(debian: string, fedora = debian, arch = fedora): { readonly get: Remedies } {
  return {
    get: { debian: `apt install ${debian}`, fedora: `dnf install ${fedora}`, arch: `pacman -S ${arch}` },
  };
}
