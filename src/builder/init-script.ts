/**
 * Init, the only program of the builder VM, for busybox's shell. It sends `ready` on the control port and then answers
 * requests, one per line:
 *
 *   ask - SCRIPT        runs a script in the guest's root                      → done CODE STDOUT STDERR
 *   take PORT SCRIPT    the same, with a port as its stdin and stdout          → done CODE - STDERR
 *   give PORT SCRIPT    the same, with a port as its stdout only               → done CODE - STDERR
 *   join PORT SCRIPT    like take, through pipes, for programs that need those → done CODE - STDERR
 *   mark TEXT           writes a text on the port of the last give or join, as an end marker
 *   mount rw|ro         finds and mounts the guest's root                      → done CODE STDOUT STDERR
 *   off                 unmounts everything, then powers off                   → done CODE - STDERR
 *
 * Scripts are encoded for `printf %b`, texts of answers in base64 (`-` if empty). Scripts run with `/mnt` as their root,
 * with our tools mounted over `/proc`, so that links resolve as in the guest. Under software emulation starting a process
 * costs 2 to 5 ms, and one with shared libraries 30 ms: a copy uses as few processes as possible.
 */
export const INIT_SCRIPT = String.raw`#!/tools/bin/busybox sh
export PATH=/tools/bin LC_ALL=C
unset TERM
/tools/bin/busybox mkdir -p /proc /sys /dev /mnt /probe /run
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

# Loads a module after its dependencies; built-in modules have no file.
load() {
  local module name needs
  while read -r name needs; do
    [ "$name" = "$1:" ] || continue
    for module in $needs; do
      case " $loaded " in *" $module "*) continue ;; esac
      loaded="$loaded $module"
      [ ! -e "/modules/$module.ko" ] || insmod "/modules/$module.ko" 2>/dev/null
    done
  done </modules/needs
}

# Runs a host program with the libraries that were copied with it.
host() {
  local program=$1
  shift
  /tools/lib/ld.so --library-path /tools/lib "/tools/real/$program" "$@"
}

find_port() { # sets port: its device; the kernel learns the names of ports one by one
  local wanted=$1 name text IFS
  while :; do
    for name in /sys/class/virtio-ports/*/name; do
      read -r text 2>/dev/null <"$name" && [ "$text" = "$wanted" ] || continue
      IFS=/
      set -- $name
      port=/dev/$5
      return
    done
    sleep 0.05
  done
}

code_file() { # sets coded: base64 of the beginning of a file, on one line, or - if it is empty
  coded=-
  [ -s "$1" ] || return 0
  set -- $(head -c 65536 "$1" | base64)
  local IFS=
  coded="$*"
}

for module in virtio_pci virtio_blk virtio_console; do load "$module"; done
find_port control
exec 8<>"$port"

say() { printf '%s\n' "$*" >&8; }

# --- the guest's root

devices() { # disks, partitions and logical volumes; in a subshell
  local name
  cd /sys/class/block
  for name in *; do
    case $name in
      vd*) echo "/dev/$name" ;;
      dm-*) echo "/dev/mapper/$(cat "$name/dm/name")" ;;
    esac
  done
}

probe() { # the filesystem on each of them; one run of blkid for all is many times faster than one for each
  host blkid -p $(devices) 2>/dev/null | sed -n 's/^\([^:]*\):.* TYPE="\([^"]*\)".*/\1 \2/p' >/run/types
}

type_of() {
  local device type
  while read -r device type; do
    [ "$device" != "$1" ] || printf %s "$type"
  done </run/types
}

mountable() {
  case $1 in ext2 | ext3 | ext4 | xfs | btrfs | vfat) return 0 ;; esac
  return 1
}

load_filesystem() {
  local module
  load "$1"
  case $1 in xfs | ext4 | btrfs) for module in crc32c xxhash_generic sha256_generic blake2b_generic; do load "$module"; done ;; esac
  case $1 in vfat) for module in nls_cp437 nls_iso8859-1 nls_ascii nls_utf8; do load "$module"; done ;; esac
}

mount_at() { # device, type, place, options
  grep -qw "$2" /proc/filesystems || load_filesystem "$2"
  mount -n -t "$2" -o "$4" "$1" "$3"
}

is_root() { [ -e "$1/etc/fstab" ]; }

activate_volumes() {
  [ -e /tools/real/lvm ] && grep -q ' LVM2_member$' /run/types || return 0
  load dm-mod
  load dm-thin-pool
  load dm-snapshot
  mkdir -p /run/lvm /run/lock/lvm /etc/lvm
  host lvm vgchange -ay --noudevsync --config 'activation { udev_sync=0 udev_rules=0 } devices { dir="/dev" scan=["/dev"] }' >/dev/null 2>&1
  host lvm vgmknodes >/dev/null 2>&1
  probe
}

find_root() { # sets root, root_type, root_options, and seen: the filesystems found, for a message
  local device type subvolume candidates=
  root= seen=
  while read -r device type; do
    seen="$seen, $device ($type)"
    mountable "$type" || continue
    # never a root; its modules are loaded on demand
    [ "$type" = vfat ] || mount_at "$device" "$type" /probe ro || continue
    candidates="$candidates $device"
    [ "$type" != vfat ] || continue
    if is_root /probe; then
      root=$device root_type=$type root_options=
    elif [ "$type" = btrfs ]; then
      for subvolume in root @ @rootfs; do
        [ -d "/probe/$subvolume" ] && is_root "/probe/$subvolume" || continue
        root=$device root_type=$type root_options=,subvol=$subvolume
        break
      done
    fi
    # stays mounted for the caller
    [ -z "$root" ] || return 0
    umount /probe
  done </run/types
  # a single filesystem without a system: a data disk
  set -- $candidates
  [ $# = 1 ] || return 1
  root=$1 root_type=$(type_of "$1") root_options=
  mount_at "$root" "$root_type" /probe ro
}

device_named() { # as fstab names it
  local name=$1 disk
  case $name in
    UUID=* | LABEL=* | PARTUUID=* | PARTLABEL=*) host blkid -l -o device -t "$(printf %s "$name" | tr -d '"')" ;;
    /dev/disk/by-uuid/*) host blkid -l -o device -t "UUID=$(basename "$name")" ;;
    /dev/disk/by-label/*) host blkid -l -o device -t "LABEL=$(basename "$name")" ;;
    /dev/sd* | /dev/hd* | /dev/xvd*) printf %s "$name" | sed 's,^/dev/\(sd\|hd\|xvd\),/dev/vd,' ;;
    *) printf %s "$name" ;;
  esac
}

mount_below() { # access
  local name place type options rest device subvolume error
  [ -e /mnt/etc/fstab ] || return 0
  while read -r name place type options rest; do
    case $name in '' | \#*) continue ;; esac
    case $place in / | none | swap) continue ;; esac
    mountable "$type" || [ "$type" = auto ] || continue
    case ,$options, in *,noauto,*) continue ;; esac
    place=$(printf %b "$(printf %s "$place" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')")
    # resolves links as in the guest
    place=$(chroot /mnt /proc/bin/busybox readlink -f "$place" || printf %s "$place")
    device=$(device_named "$name")
    if ! [ -b "$device" ]; then
      case ,$options, in *,nofail,*) continue ;; esac
      echo "cannot mount $name at $place, listed in /etc/fstab of the guest: no such device" >&2
      return 1
    fi
    [ "$type" != auto ] || type=$(type_of "$device")
    subvolume=$(printf %s ",$options," | sed -n 's/.*,\(subvol=[^,]*\|subvolid=[^,]*\),.*/,\1/p')
    if ! [ -d "/mnt$place" ]; then
      # on a disk opened read-only, changes are discarded
      mount -n -o remount,rw /mnt
      mkdir -p "/mnt$place"
    fi
    error=$(mount_at "$device" "$type" "/mnt$place" "$1$subvolume" 2>&1) && continue
    case ,$options, in *,nofail,*) continue ;; esac
    printf '%s\n' "cannot mount $name at $place, listed in /etc/fstab of the guest" "$error" >&2
    return 1
  done < /mnt/etc/fstab
}

shown() { # the filesystems found, for a message
  printf %s "$seen" | sed 's,^\, ,,; s,/dev/\(mapper/\)\?,,g'
}

mount_guest() { # rw|ro
  probe
  activate_volumes
  if ! find_root; then
    case $seen in
      *crypto_LUKS*) echo "the disk is encrypted: $(shown)" >&2 ;;
      '') echo 'no filesystem found on its disks' >&2 ;;
      *) echo "none of its filesystems is a mountable root with /etc/fstab: $(shown)" >&2 ;;
    esac
    return 1
  fi
  if [ -n "$root_options" ]; then
    umount /probe
    mount_at "$root" "$root_type" /mnt "$1$root_options" || return 1
  else
    mount --move /probe /mnt
    [ "$1" = ro ] || mount -o remount,rw /mnt || return 1
  fi
  if ! [ -d /mnt/proc ]; then
    # on a disk opened read-only, changes are discarded
    mount -n -o remount,rw /mnt
    mkdir /mnt/proc && made_proc=1
  fi
  mount --bind /tools /mnt/proc
  mount_below "$1" || return 1
  printf '%s %s' "$root" "$root_type"
}

unmount_guest() {
  [ -e /mnt/proc/bin/busybox ] && umount /mnt/proc
  [ -z "$made_proc" ] || rmdir /mnt/proc
  sync
  local place code=0
  for place in $(sed -n 's,^[^ ]* \(/mnt[^ ]*\) .*,\1,p' /proc/mounts | sort -r); do
    umount "$(printf %b "$place")" || code=1
  done
  return $code
}

# --- the work

take_script() { printf '%b\n' "$1" >/tools/script; }

in_guest() { # in a subshell: becomes the script, which is visible in the guest's root
  export PATH=/proc/bin HOME=/
  exec /tools/bin/busybox chroot /mnt /proc/bin/busybox sh /proc/script
}

give() { # the script's output goes to descriptor 7, in large pieces; sets code
  { (in_guest) 2>/run/err; echo $? >/run/code; } | dd bs=64k >&7 2>/dev/null
  read -r code </run/code
}

finish() { # code
  local out
  code_file /run/out
  out=$coded
  code_file /run/err
  say "done $1 $out $coded"
}

say ready
while read -r what first second <&8; do
  : >/run/out
  : >/run/err
  case $what in
    mount)
      mount_guest "$first" >/run/out 2>/run/err
      finish $?
      ;;
    ask)
      take_script "$second"
      (in_guest) </dev/null >/run/out 2>/run/err
      finish $?
      ;;
    take)
      take_script "$second"
      find_port "$first"
      exec 7<>"$port"
      (in_guest) <&7 >&7 2>/run/err
      code=$?
      exec 7>&-
      finish $code
      ;;
    give)
      take_script "$second"
      find_port "$first"
      exec 7>"$port"
      give </dev/null
      finish "$code"
      ;;
    join)
      take_script "$second"
      find_port "$first"
      exec 7<>"$port"
      [ -p /run/in ] || mkfifo /run/in
      cat <&7 >/run/in &
      feeder=$!
      give </run/in
      kill $feeder 2>/dev/null
      finish "$code"
      ;;
    mark)
      printf %s "$first" >&7
      exec 7>&-
      finish 0
      ;;
    off)
      unmount_guest 2>/run/err
      finish $?
      break
      ;;
  esac
done
sync
poweroff -f
`;
