# shellcheck shell=bash
# What scripts/run and scripts/test have in common; to be sourced from the project's directory.

# say SENTENCE: to stderr, so that stdout stays what the caller prints on purpose.
say() {
  printf '%s\n' "$*" >&2
}

# fail SENTENCE
fail() {
  say "$*"
  exit 1
}

# shellcheck source=scripts/runtime.sh
source scripts/runtime.sh

# Debian packages that the machine lacks; all of them are installed, or asked for, at once.
missing=()

# need PROGRAM PACKAGE
need() {
  command -v "$1" >/dev/null || [[ " ${missing[*]} " == *" $2 "* ]] || missing+=("$2")
}

# What it takes to bring along Node.js, unless it is there.
need_runtime() {
  if has_runtime || has_npm; then return; fi
  need curl curl
  [[ -e /etc/ssl/certs/ca-certificates.crt || -e /etc/pki/tls/certs/ca-bundle.crt ]] || missing+=(ca-certificates)
}

need_node() {
  has_node || need_runtime
}

install_missing() {
  [[ ${#missing[@]} -eq 0 ]] || apt_install "${missing[@]}"
}

# The Node.js of this machine where that is new enough, otherwise the one that is brought along.
require_node() {
  has_node || bring_runtime
}

# npm ci, when the lockfile is newer than what is installed.
install_packages() {
  if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
    say 'Installing npm packages …'
    npm ci --include=dev --no-progress --loglevel=error
    touch node_modules/.package-lock.json
  fi
}

# npm run build, when a source file is newer than the last build, or SOURCE_CODE_URL another one.
build() {
  if [[ ! -e dist/build-info.json || -n $(find src scripts/finish-build.mjs package.json tsconfig.json tsconfig.build.json \
    -newer dist/build-info.json -print -quit) ]] ||
    ! grep -qF "\"${SOURCE_CODE_URL:-commit}\"" dist/build-info.json; then
    say 'Building …'
    npm run --silent build
  fi
}

# write_command PROGRAM: the command of a program that brings its Node.js along, with the options in the first line of it.
write_command() {
  local options
  options=$(sed -n '1s/^#!.* node //p' "$1/dist/cli/main.js")
  mkdir -p "$1/bin"
  sed "s/@NODE_OPTIONS@/$options/" packaging/smp-server >"$1/bin/smp-server"
  chmod 755 "$1/bin/smp-server"
}

# The units of systemd that start at boot, sorted; none where it does not run.
units_at_boot() {
  [[ ! -d /run/systemd/system ]] || systemctl list-unit-files --state=enabled --no-legend | awk '{ print $1 }' | LC_ALL=C sort
}

# apt_install PACKAGE…: never starts a service that comes with one of them, now or at the next boot.
apt_install() {
  local command="apt-get update && apt-get install --no-install-recommends -y $*"
  command -v apt-get >/dev/null || fail "Missing: $*. Install what Debian calls so, and run the same command again."
  [[ $(id -u) -eq 0 ]] || fail "Missing: $*. Root installs it with: $command"
  say "Installing $* …"
  local policy=/usr/sbin/policy-rc.d made_policy=''
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=yes
  elif "$policy" tor start >/dev/null 2>&1; then
    fail "Missing: $*. $policy lets packages start services, so install it yourself: $command"
  fi
  local status=0 before
  before=$(units_at_boot)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y \
    --no-install-recommends "$@"; } >&2 || status=$?
  [[ -z $made_policy ]] || rm -f "$policy"
  LC_ALL=C comm -13 <(printf '%s\n' "$before") <(units_at_boot) | xargs -r systemctl disable --quiet || true
  [[ $status -eq 0 ]] || fail "apt-get could not install $*."
}
