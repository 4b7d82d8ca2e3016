# machine.sh DRIVER DIST: `integration/gpu/check` on a machine with a GPU, as far as nodes and a driver library make one.
#
# Runs in a mount namespace of its own, with its own /dev: the nodes are those of /dev/zero, and the driver in the folder
# DRIVER is driver.c, which adds the vectors itself.
set -eu
here=$(dirname "$(realpath "$0")")
dev=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/fd /dev/stdin /dev/stdout /dev/stderr "$dev/"
mkdir "$dev/pts" "$dev/shm"
mount --rbind /dev/pts "$dev/pts"
ln -s pts/ptmx "$dev/ptmx"
for node in nvidia0 nvidiactl nvidia-uvm; do mknod -m 666 "$dev/$node" c 1 5; done
mount --move "$dev" /dev
rmdir "$dev"
LD_LIBRARY_PATH=$1 exec bash "$here/../../gpu/check" "$2"
