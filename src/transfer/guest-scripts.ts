import { posix } from 'node:path';
import type { GuestShell } from './guest-shell.ts';
import { quoted } from './guest-shell.ts';

/** Exit code of our scripts where what is asked for is not there. */
export const MISSING = 44;

/**
 * Says where the guest's tar lies if that is GNU's, and nothing otherwise. It must be called by that path: the shell of a
 * busybox that prefers its own programs (Debian's busybox-static) takes the bare name for its own tar, and `sudo` does not.
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
 * Finds out where in the guest something with a name is to lie, and makes the directories above it. Says, in lines: the
 * owner of the nearest directory that was there (`UID:GID`), whether the place is a directory already (`yes`), and the
 * place itself.
 */
export function placeScript(destination: string, name: string, { sudo }: GuestShell): string {
  // sudo passes on what it finds on its stdin, which is for whoever comes after
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
 * The same, ended by a NUL; then unpacks there what comes on stdin: a directory, packed as what is in it, or something
 * else under its own name.
 */
export function receiveScript(
  destination: string,
  name: string,
  isDirectory: boolean,
  far: GuestShell,
): string {
  const unpack = isDirectory ? unpackDirectory(far) : unpackFile(far);
  return `${placeScript(destination, name, far)}printf '\\0'\n${unpack}`;
}

/** GNU tar takes a backslash in a name for the beginning of an escape. */
function plain(gnuTar: boolean): string {
  return gnuTar ? '--no-unquote' : '';
}

/** Nothing but tar may read the archive. */
function unpackDirectory({ sudo, tar, gnuTar }: GuestShell): string {
  return `${sudo} mkdir -p -- "$t" <&- && exec ${sudo} ${tar} -x -p ${plain(gnuTar)} -f - -C "$t"`;
}

/** By its own name beside its place, before it gets the name that it is to have. */
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

/** Says whether there is anything at a path, and whether it is a directory (`yes`) or what nobody can copy (`special`). */
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
