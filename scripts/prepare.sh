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

require_node() {
  command -v node >/dev/null || fail 'Node.js is missing: install version 22.12 or later (https://nodejs.org).'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) ? 0 : 1)' ||
    fail "Node.js $(node --version) is too old: install version 22.12 or later (https://nodejs.org)."
}

# npm ci, when the lockfile is newer than what is installed.
install_packages() {
  if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
    say 'Installing npm packages …'
    npm ci --include=dev --no-progress --loglevel=error
    touch node_modules/.package-lock.json
  fi
}

# npm run build, when a source file is newer than the last build.
build() {
  if [[ ! -e dist/build-info.json || -n $(find src scripts/finish-build.mjs package.json tsconfig.json tsconfig.build.json \
    -newer dist/build-info.json -print -quit) ]]; then
    say 'Building …'
    npm run --silent build
  fi
}

# apt_install PACKAGE…: never starts a service that comes with one of them, now or at the next boot.
apt_install() {
  local command="apt-get install --no-install-recommends $*"
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    fail "Missing: $*. Install it as root, on Debian and Ubuntu with: $command"
  fi
  say "Installing $* …"
  local policy=/usr/sbin/policy-rc.d made_policy=''
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=yes
  elif "$policy" tor start >/dev/null 2>&1; then
    fail "Missing: $*. $policy lets packages start services, so install it yourself: $command"
  fi
  local status=0
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } >&2 || status=$?
  [[ -z $made_policy ]] || rm -f "$policy"
  [[ $status -eq 0 ]] || fail "apt-get could not install $*."
  if [[ " $* " == *' tor '* && -d /run/systemd/system ]]; then
    systemctl disable --quiet tor.service || true
  fi
}
