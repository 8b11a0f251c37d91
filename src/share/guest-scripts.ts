import type { SharedFolderSpec } from '../config/shares.ts';
import { quoted } from '../shell-quote.ts';

/** Line on a mount script's stderr once the folder is mounted. */
export const MOUNTED = 'transient: mounted';

/** Exit codes of our scripts for missing support in the guest. */
export const NO_SSHFS = 46;
export const NO_DIRECTORY = 47;

/** Creates the directory, if nothing exists there. */
function directoryScript(guest: string, sudo: string): string {
  return `g=${quoted(guest)}
[ -d "$g" ] || ${sudo} mkdir -p -- "$g" || exit ${NO_DIRECTORY}`;
}

/**
 * Mounts a folder by sshfs, with the script's stdin and stdout as its connection, and runs until it is unmounted.
 * Without a cache, changes on the host are seen at once. Files are shown as the ssh user's. Links are passed on
 * unchanged, which newer versions reject for links leading outside unless told to. Before version 3 the cache options
 * had other names.
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
 * Cache options. sshfs caches the attributes of all files in a listed directory, but counts whole seconds: a timeout of
 * 1 lasts up to 2 seconds. The kernel asks it once per file instead of twice if it caches a response for the duration
 * of a call; a file is read up to the size that the kernel has cached.
 */
function cachingOptions(seconds: number): string {
  const timeout = Math.max(1, seconds - 1);
  return seconds === 0
    ? 'dir_cache=no,attr_timeout=0,entry_timeout=0'
    : `dir_cache=yes,dcache_timeout=${timeout},attr_timeout=0.1,entry_timeout=0.1`;
}

/** Reports the mount as soon as it exists, in the background of the program that the shell becomes. */
function watch(condition: string): string {
  return `{
  exec <&- >&-
  while [ -d /proc/$$ ]; do
    if [ ${condition} ]; then echo '${MOUNTED}' >&2; break; fi
    sleep 0.05 2>/dev/null || sleep 1
  done
} &`;
}

/** Number of attempts to unmount a busy folder, a fifth of a second apart. */
const TRIES = 15;

/** Flushes writes to the host and unmounts folders; one that is in use is detached lazily and printed. */
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
