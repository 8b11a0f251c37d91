/** Messages that no scenario provokes, as they stand in the source, by why that is so. */
export const UNPROVOKED: Readonly<Record<string, readonly string[]>> = {
  'it depends on the kernels in /boot of the host': [
    'the builder VM, which copies files to and from stopped VMs, has no kernel: apt-cache has no package …; "apt-get update" may help',
    'the builder VM, which copies files to and from stopped VMs, has no kernel: the package … could not be downloaded',
    'the builder VM, which copies files to and from stopped VMs, has no kernel: no kernel in /boot is readable, and there is no apt-get to download one',
  ],
  'it takes a process that hangs as it ends; test/endings has the same for what a user waits for': [
    'process …, which ran the project, did not exit within … s',
    "process …, which runs VM '…', did not stop it within … s",
    'process … has held the lock of … for … s without running it',
    'the process that runs the project did not start',
    'the process that runs the project did not answer within … s',
  ],
  'a page cannot hold such bytes; test/session/ssh-surroundings.test.ts types them': [
    'the command line contains bytes that are not UTF-8',
  ],
  'one step has met it before, and told of it; what comes after it is not told': [
    'the guest has stopped responding',
  ],
  'it takes root, or somebody who is not; test/session/run-directory.test.ts has what can be had': [
    'cannot use the runtime directory …: the runtime directory belongs to user …, and we are user …',
    'cannot use the runtime directory …: the runtime directory is not writable',
    'cannot use the runtime directory …: XDG_RUNTIME_DIR is not writable',
  ],
  'it takes root; test/session/shares.test.ts has it': [
    '…: virtiofs, served by root, would let the guest leave setuid programs of root on the host',
  ],
  'it takes a second filesystem, which root can mount; test/transfer/full-disk.test.ts does': [
    'cannot write to … on the host: a part of it is on another filesystem',
  ],
  'whatever fills a disk leaves some of it to others': [
    '… is larger than the … GB (… bytes) that are free in …',
  ],
  'it takes two users': ["cannot send a signal to process …, which runs VM '…': it belongs to another user"],
  'one process must be quicker than another; test/session/detached.test.ts lets them run together': [
    'the project has just ended',
    'VM … has been started by another command meanwhile',
    'cannot use the runtime directory …: the runtime directory: …',
  ],
  'no command line and no TOML file can hold it': [
    'must not contain an unpaired surrogate',
    'must not contain an unpaired surrogate in the name',
  ],
  'its parts never come together: 127.0.0.1 is there, QEMU says why, and who mounts has a folder': [
    'cannot use port … of … for ssh: the host has no such address',
    'the VM was ended: one of its disks failed: unknown',
    'a shared folder: user … may not use sudo in the guest, which mounting requires',
  ],
  'no fake guest has a key to replace; test/guest/login-key.test.ts and test/endings do': [
    "the VM keeps Vagrant's public key, so that transient 0.25 can still start it: any user of this host can log in to it, and write to …",
    "any user of this host can still log in to the guest: Vagrant's public key could not be replaced there",
    'the builder VM did not respond within … s',
    "the image's own keys could not be restored in the guest",
  ],
  'its name holds the number of a process; test/e2e/login-key.test.ts has it': [
    "the ssh port of VM '…' is closed, and the login shared by sessions is for one user only",
  ],
  'a vendor would have to err in a way that test/catalog and test/image/vendor have': [
    '"…" is not the name of an image of the catalogue',
    'the file needs a key "…"',
    'cannot read the key …: …',
    'the checksum of … in … differs from that in …',
  ],
  'it is a fault of ours': ['internal error: …'],
};
