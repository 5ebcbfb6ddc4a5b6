#!/bin/sh
# base.sh FILE.tar CODENAME URI [OPTION…]: makes the smallest system of a release with debootstrap, unless the file is
# there. To be called in a mount namespace of its own, and by one process at a time.
set -eu
file=$1 codename=$2 uri=$3
shift 3
[ ! -e "$file" ] || exit 0
case $codename in
  # debootstrap may be older than the release; all of Ubuntu's have the same script.
  jammy | noble) script=gutsy ;;
  *) script= ;;
esac
root=$(mktemp -d)
trap 'umount "$root"; rmdir "$root"' EXIT
mount -t tmpfs -o mode=755,size=2g tmpfs "$root"
# shellcheck disable=SC2086 # no script is no argument
debootstrap --variant=minbase "$@" "$codename" "$root" "$uri" $script
tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' -cf "$file.new" .
# Those of earlier weeks.
rm -f "$(dirname "$file")/$codename"-*.tar
mv "$file.new" "$file"
