#!/usr/bin/env bash
# setup-new.sh: makes the tree that newer engines run from: Debian 13 with Docker 26 and containerd 1.7.
#
# Idempotent; prints the tree's path. Half a minute and 400 MB, once. `make test-engines-new` calls it.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
tools=$(realpath "${NEMOCLAW_TEST_TOOLS:-$root/target/test-tools}")
tree=$tools/trixie
say() { printf 'setup: %s\n' "$*" >&2; }

if [ ! -d "$tree" ]; then
  [ "$(id -u)" -eq 0 ] || { say "making a tree with device nodes needs root"; exit 1; }
  say "building a trixie tree (half a minute, once)"
  rm -rf "$tree.tmp"
  packages=docker.io,docker-cli,containerd,runc,iptables,nftables,containernetworking-plugins,iproute2,mount,procps
  timeout 900 mmdebstrap --quiet --variant=apt --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' trixie "$tree.tmp" >"$tools/trixie.log" 2>&1 ||
    { say "mmdebstrap failed; see $tools/trixie.log"; tail -n 5 "$tools/trixie.log" >&2; exit 1; }
  mv "$tree.tmp" "$tree"
fi
printf '%s\n' "$tree"
