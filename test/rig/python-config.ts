/** Configuration that the Python 0.25 writes for a VM without options. */
export const PYTHONS_DEFAULTS = `\
copy_in_before = []
copy_out_after = []
direct_copy = false
extra_image = []
name = "x"
no_virtio_scsi = false
primary_image = "test"
qemu_args = []
qemu_bin_name = "qemu-system-x86_64"
qmp_timeout = 10
rsync = false
sftp_bin_name = "sftp-server"
shared_folder = []
shutdown_timeout = 20
ssh_bin_name = "ssh"
ssh_console = false
ssh_net_driver = "virtio-net-pci"
ssh_option = []
ssh_timeout = 90
ssh_user = "vagrant"
ssh_with_serial = false
verbose = 0
`;
