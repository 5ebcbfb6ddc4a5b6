#!/bin/bash
# A relay on a fresh Debian or Ubuntu server, with an onion service; for cloud-init, as a StackScript, or by hand as root.
# <UDF name="package_url" label="Address of smp-onion_VERSION_ARCH.deb">
# <UDF name="package_sha256" label="Its SHA-256, from SHA256SUMS">
# <UDF name="host" label="Domain of the relay; its IP address when empty" default="">
set -euo pipefail

PACKAGE_URL=${PACKAGE_URL:-@PACKAGE_URL@}
PACKAGE_SHA256=${PACKAGE_SHA256:-@PACKAGE_SHA256@}
HOST=${HOST:-}

fail() {
  echo "$*" >&2
  exit 1
}

# What is printed also goes to the console of the machine, where its owner looks first.
tell() {
  echo "$*"
  if [[ -w /dev/console ]]; then echo "$*" >/dev/console; fi
}

[[ $(id -u) -eq 0 ]] || fail 'Run it as root.'
[[ $PACKAGE_URL == *.deb ]] || fail 'PACKAGE_URL is missing: the address of smp-onion_VERSION_ARCH.deb.'
[[ $PACKAGE_SHA256 =~ ^[0-9a-f]{64}$ ]] || fail 'PACKAGE_SHA256 is missing: the line of the package in SHA256SUMS.'

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends ca-certificates curl

package=$(mktemp --suffix=.deb)
trap 'rm -f "$package"' EXIT
curl --fail --silent --show-error --location --retry 5 --output "$package" "$PACKAGE_URL"
echo "$PACKAGE_SHA256  $package" | sha256sum --check --quiet || fail 'The package is not the one of PACKAGE_SHA256; nothing was installed.'
chmod 644 "$package"
apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends "$package" tor

if command -v ufw >/dev/null; then
  for rule in OpenSSH 5223/tcp 443/tcp; do ufw allow "$rule" >/dev/null || true; done
elif command -v firewall-cmd >/dev/null; then
  firewall-cmd --permanent --add-port=5223/tcp --add-port=443/tcp >/dev/null && firewall-cmd --reload >/dev/null
fi

if [[ ! -e /etc/opt/simplex/smp-server.ini ]]; then
  address=${HOST:-$(ip -4 route get 192.0.2.1 | sed -n 's/.* src \([0-9.]*\).*/\1/p')}
  su smp -c "smp-server init -y -n '$address'" >/dev/null
fi
systemctl enable --now smp-server
smp-server tor setup --system -y || tell 'The onion service is not set up yet. Run: smp-server tor setup --system'
systemctl restart smp-server

tell 'The address of this relay, with the password for creating queues:'
tell "$(su smp -c 'smp-server address')"
