#!/bin/sh
# boot.sh ROOT: becomes systemd, in a file system that holds one; to be called as process 1 of namespaces of its own
# for processes, mounts, the network, cgroups, IPC and the host name. Prints its process id as the machine counts.
set -eu
root=$1
read -r pid _ </proc/self/stat
echo "$pid"

mount -t proc proc "$root/proc"
# The kernel's settings are the machine's own.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  cp -a "/dev/$device" "$root/dev/"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"

# As on the machine: cgroup 2 alone, or beside systemd's own hierarchy.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi

# What belongs to the machine and not to a guest of it.
for unit in systemd-modules-load.service systemd-remount-fs.service systemd-update-utmp.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount getty.target; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
exec setpriv --bounding-set=-sys_time,-sys_module chroot "$root" \
  env -i container=smp-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin /lib/systemd/systemd
