#!/bin/sh
# hold.sh DIRECTORY: process 1 of its own PID and mount namespaces. Lays an empty file system over DIRECTORY, prints its
# process id as the machine counts, and ends with its standard input; then everything in the namespaces ends, too, and
# every mount is undone.
set -eu
mount -t tmpfs -o mode=755,size=4g tmpfs "$1"
# /proc is that of the machine.
read -r pid _ </proc/self/stat
echo "$pid"
exec cat >/dev/null
