#!/bin/sh
# container.sh ROOT CONFIG STATE [NAME=VALUE…] -- WORD…: a container of the image laid out at ROOT, as `docker run --read-only` would
# make it: the root file system read-only, /tmp in memory, the two volumes, the user of the image, its entrypoint.
set -eu
root=$1 config=$2 state=$3
shift 3
mount --rbind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$config" "$root/etc/opt/simplex"
mount --bind "$state" "$root/var/opt/simplex"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot --userspec=5223:5223 "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/var/opt/simplex COLUMNS=10000 "$@"
