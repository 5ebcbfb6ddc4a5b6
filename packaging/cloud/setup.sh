#!/bin/bash
# A relay with an onion service on a fresh Debian or Ubuntu server: run it as root, or let the provider run it at the
# first boot (StackScript). It can be run again: what is done already stays as it is.
#
#   HOST         Domain of the relay; default is the public IP address of this server
#   DOWNLOAD     Where smp-onion_@VERSION@_ARCH.deb is
#   TORRC_EXTRA  File with extra lines for the torrc, such as bridges
#
# <UDF name="host" label="Domain of the relay (empty: the IP address of this server)" default="">
set -euo pipefail

HOST=${HOST:-}
DOWNLOAD=${DOWNLOAD:-@DOWNLOAD@}
TORRC_EXTRA=${TORRC_EXTRA:-}
declare -A checksums=([amd64]=@SHA256_AMD64@ [arm64]=@SHA256_ARM64@)

fail() {
  tell "$*" >&2
  exit 1
}

# Also on the console of the machine, where its owner looks first.
tell() {
  echo "$*"
  if [[ -w /dev/console ]]; then echo "$*" 2>/dev/null >/dev/console || true; fi
}

# Asks nothing, and waits while the first boot installs something else.
apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends "$@"
}

# The address that others reach this server at, as far as it knows itself.
public_address() {
  local address private='^(10|127|169\.254|192\.168|172\.(1[6-9]|2[0-9]|3[01])|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\.'
  address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
  [[ -n $address && ! $address =~ $private ]] ||
    fail "This server does not know its public address (it has ${address:-none}). Set HOST to its domain or public IP address."
  echo "$address"
}

open_firewall() {
  if command -v ufw >/dev/null; then
    ufw allow 5223/tcp && ufw allow 443/tcp
  elif command -v firewall-cmd >/dev/null; then
    firewall-cmd --permanent --add-port=5223/tcp --add-port=443/tcp && firewall-cmd --reload
  fi >/dev/null || tell 'The firewall could not be changed. Open ports 5223 and 443 (TCP).'
}

install_package() {
  local architecture checksum
  architecture=$(dpkg --print-architecture)
  checksum=${checksums[$architecture]:-}
  [[ -n $checksum ]] || fail "There is no package for $architecture: it has to be amd64 or arm64."
  package=$(mktemp --suffix=.deb)
  trap 'rm -f "$package"' EXIT
  curl --fail --silent --show-error --location --retry 5 --output "$package" \
    "${DOWNLOAD%/}/smp-onion_@VERSION@_$architecture.deb"
  sha256sum --check --quiet <<<"$checksum  $package" ||
    fail "What $DOWNLOAD has for $architecture is not this version (checksum). Nothing was installed."
  chmod 644 "$package"
  apt_install "$package" tor
}

[[ $(id -u) -eq 0 ]] || fail 'Run it as root.'
[[ $DOWNLOAD == *://* ]] || fail 'Set DOWNLOAD to the address of the directory with the packages.'

apt-get -o DPkg::Lock::Timeout=600 update -q
apt_install ca-certificates curl iproute2
[[ -n $HOST || -e /etc/opt/simplex/smp-server.ini ]] || HOST=$(public_address)
install_package
open_firewall

[[ -e /etc/opt/simplex/smp-server.ini ]] || runuser -u smp -- smp-server init -y -n "$HOST" >/dev/null
systemctl enable --now smp-server
smp-server tor setup --system -y ${TORRC_EXTRA:+--torrc-extra "$TORRC_EXTRA"} ||
  tell 'There is no onion service yet. Run: smp-server tor setup --system'
systemctl restart smp-server
smp-server health

tell 'Does the provider have a firewall of its own? Open ports 5223 and 443 (TCP) there.'
tell 'The address of this relay, with the password for creating queues:'
tell "$(runuser -u smp -- smp-server address)"
