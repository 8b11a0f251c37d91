import { posix } from 'node:path';
import type { GuestShell } from './guest-shell.ts';
import { quoted } from '../shell-quote.ts';

/** Exit code of our scripts for a path that does not exist. */
export const MISSING = 44;

/**
 * Prints the path of the guest's tar if it is GNU tar, and nothing otherwise. It must be called by that path: the shell
 * of a busybox that prefers its own applets (Debian's busybox-static) takes the bare name for its own tar, and `sudo`
 * does not.
 */
export const GNU_TAR_SCRIPT = `(
IFS=: ; set -f
for d in $PATH; do
[ -f "$d/tar" ] && [ -x "$d/tar" ] || continue
"$d/tar" --version 2>/dev/null | grep -q GNU && printf '%s\\n' "$d/tar"
break
done
)`;

/**
 * Determines the destination of a copy in the guest and creates its parent directories. Prints lines: the owner of the
 * nearest existing directory (`UID:GID`), whether the destination is already a directory (`yes`), and the destination
 * itself.
 */
export function placeScript(destination: string, name: string, { sudo }: GuestShell): string {
  // sudo consumes its stdin, which belongs to the commands that follow
  return `
{
d=${quoted(destination)} n=${quoted(name)}
if ${sudo} test -d "$d"; then t="\${d%/}/$n"
else case $d in */) t=$d$n ;; *) t=$d ;; esac; fi
p=\${t%/*} a=\${t%/*}
while [ -n "$a" ] && ! ${sudo} test -d "$a"; do a=\${a%/*}; done
p=\${p:-/} a=\${a:-/}
o=$(${sudo} stat -c %u:%g -- "$a") || exit
[ "$p" = "$a" ] || ${sudo} mkdir -p -- "$p" || exit
m=$p
while [ "\${m%/}" != "\${a%/}" ]; do ${sudo} chown "$o" -- "$m" 2>/dev/null; m=\${m%/*}; done
i=no
! ${sudo} test -d "$t" || i=yes
} <&-
printf '%s\\n%s\\n%s' "$o" "$i" "$t"
`;
}

/**
 * The same script with its output terminated by a NUL; it then unpacks its stdin at the destination: a directory by its
 * content, anything else under its own name.
 */
export function receiveScript(
  destination: string,
  name: string,
  isDirectory: boolean,
  shell: GuestShell,
): string {
  const unpack = isDirectory ? unpackDirectory(shell) : unpackFile(shell);
  return `${placeScript(destination, name, shell)}printf '\\0'\n${unpack}`;
}

/** GNU tar interprets a backslash in a name as an escape. */
function plain(gnuTar: boolean): string {
  return gnuTar ? '--no-unquote' : '';
}

/** Only tar may read the archive. */
function unpackDirectory({ sudo, tar, gnuTar }: GuestShell): string {
  return `${sudo} mkdir -p -- "$t" <&- && exec ${sudo} ${tar} -x -p ${plain(gnuTar)} -f - -C "$t"`;
}

/** Unpacks under the original name beside the destination before renaming. */
function unpackFile({ sudo, tar, gnuTar }: GuestShell): string {
  return `
if [ "\${t##*/}" = "$n" ]; then exec ${sudo} ${tar} -x -p ${plain(gnuTar)} -f - -C "$p"; fi
s=$(${sudo} mktemp -d "$p/.transient-XXXXXX" <&-) || exit
${sudo} ${tar} -x -p ${plain(gnuTar)} -f - -C "$s" && ${sudo} mv -f -- "$s/$n" "$t"
c=$?
${sudo} rm -rf -- "$s"
exit $c
`;
}

/** Packs a file or directory under its own name. */
export function packScript(path: string, { sudo, tar, gnuTar }: GuestShell): string {
  const form = gnuTar ? '--format=posix --pax-option=delete=atime,delete=ctime --sparse --numeric-owner' : '';
  return `
s=${quoted(path)}
if ! ${sudo} test -e "$s" && ! ${sudo} test -L "$s"; then exit ${MISSING}; fi
exec ${sudo} ${tar} -c ${plain(gnuTar)} ${form} -f - -C ${quoted(posix.dirname(path))} -- ${quoted(`./${posix.basename(path)}`)}
`;
}

/**
 * Fails with {@link MISSING} if nothing exists at a path; else prints whether it is a directory (`yes`), a file or link
 * (`no`), or something that cannot be copied (`special`).
 */
export function lookScript(path: string, { sudo }: GuestShell): string {
  return `
s=${quoted(path)}
if ! ${sudo} test -e "$s" && ! ${sudo} test -L "$s"; then exit ${MISSING}; fi
if ${sudo} test -L "$s"; then echo no
elif ${sudo} test -d "$s"; then echo yes
elif ${sudo} test -f "$s"; then echo no
else echo special; fi
`;
}
