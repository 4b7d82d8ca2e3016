#!/usr/bin/env bash
# setup.sh: what `make bench-lifecycle` compares with and builds its tools with; nothing when it is there.
set -euo pipefail
packages=()
for package in crun runc busybox-static gcc libc6-dev util-linux; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || packages+=("$package")
done
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "bench: run: sudo apt-get install --no-install-recommends --no-remove ${packages[*]}" >&2
  exit 1
fi
echo "bench: installing ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null || echo "bench: apt-get update failed; trying with the lists at hand" >&2
# --no-remove: an installation of ours must never take a tool of the machine away.
apt-get -qq -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 install "${packages[@]}" >/dev/null
