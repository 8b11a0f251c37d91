import type { SharedFolderSpec } from '../config/vm-spec.ts';
import { quoted } from '../transfer/guest-shell.ts';

/** What a script that mounts says on its stderr once the folder is there. */
export const MOUNTED = 'transient: mounted';

/** Exit codes of our scripts for what the guest lacks. */
export const NO_SSHFS = 46;
export const NO_DIRECTORY = 47;

/** Makes the directory and stands in the way of nothing that is there. */
function directoryScript(guest: string, sudo: string): string {
  return `g=${quoted(guest)}
[ -d "$g" ] || ${sudo} mkdir -p -- "$g" || exit ${NO_DIRECTORY}`;
}

/**
 * Mounts a folder by sshfs, whose other end are stdin and stdout of the script, and stays until it is unmounted. Without
 * a cache a file that is changed on the host is never seen as it was. The files are shown as those of the ssh user.
 * Links are passed on as they are, which newer versions refuse where they lead out of the folder, unless they are told.
 * Before version 3 the options of the cache had other names.
 */
export function sshfsScript({ guest, readonly, cache = 0 }: SharedFolderSpec, sudo: string): string {
  const options = ['slave', 'allow_other', ...(readonly ? ['ro'] : [])];
  return `
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
command -v sshfs >/dev/null || exit ${NO_SSHFS}
${directoryScript(guest, sudo)}
[ -e /dev/fuse ] || ${sudo} modprobe fuse
c=,${cachingOptions(cache)}
h=$(sshfs --help 2>&1)
case $h in *no_contain_symlinks*) c=$c,no_contain_symlinks ;; esac
case $h in *dir_cache*) ;; *) c=$(printf %s "$c" | sed 's/dir_cache/cache/; s/dcache_/cache_/') ;; esac
d=$(stat -c %d -- "$g")
${watch('"$(stat -c %d -- "$g")" != "$d"')}
exec ${sudo} sshfs -o ${options.join(',')},uid=$(id -u),gid=$(id -g)$c :/ "$g"
`;
}

/**
 * What sshfs and the kernel remember. sshfs knows the attributes of all files of a directory that was listed, but counts in
 * the whole seconds of a clock: a timeout of 1 is up to 2 seconds. The kernel asks it for each file once and not twice
 * when it keeps the answer for the time of one call; a file is read as long as the kernel takes it to be.
 */
function cachingOptions(seconds: number): string {
  const kept = Math.max(1, seconds - 1);
  return seconds === 0
    ? 'dir_cache=no,attr_timeout=0,entry_timeout=0'
    : `dir_cache=yes,dcache_timeout=${kept},attr_timeout=0.1,entry_timeout=0.1`;
}

/** Says that the folder is there as soon as it is, beside what the shell becomes. */
function watch(condition: string): string {
  return `{
  exec <&- >&-
  while [ -d /proc/$$ ]; do
    if [ ${condition} ]; then echo '${MOUNTED}' >&2; break; fi
    sleep 0.05 2>/dev/null || sleep 1
  done
} &`;
}

/** How long what still uses a folder may take to let go of it, in tries of a fifth of a second. */
const TRIES = 15;

/** Has what was written reach the host, and takes folders out of the guest; one that is in use is left to its users. */
export function unmountScript(folders: readonly string[], sudo: string): string {
  const lines = folders.map(
    (guest) => `(
g=${quoted(guest)} i=0
until e=$(${sudo} umount -- "$g" 2>&1); do
  case $e in *busy*) i=$((i + 1)) ;; *) exit 0 ;; esac
  if [ $i = ${TRIES} ]; then ${sudo} umount -l -- "$g" && printf '%s\\n' "$g"; exit; fi
  sleep 0.2 2>/dev/null || sleep 1
done
) &`,
  );
  return `export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin\nsync\n${lines.join('\n')}\nwait`;
}

/** Mounts a folder that is a device of the guest's machine. */
export function deviceScript(
  { type, tag, guest, readonly }: { type: '9p' | 'virtiofs'; tag: string; guest: string; readonly: boolean },
  sudo: string,
): string {
  const options = [
    ...(type === '9p' ? ['trans=virtio', 'version=9p2000.L', 'msize=512000', 'cache=none'] : []),
    readonly ? 'ro' : 'rw',
  ];
  return `
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
${directoryScript(guest, sudo)}
${sudo} modprobe ${type === '9p' ? '9pnet_virtio' : 'virtiofs'} 2>/dev/null
${sudo} modprobe ${type} 2>/dev/null
grep -qw ${type} /proc/filesystems || exit ${NO_KERNEL_SUPPORT}
exec ${sudo} mount -t ${type} -o ${options.join(',')} ${tag} "$g"
`;
}

export const NO_KERNEL_SUPPORT = 48;
