#!/usr/bin/env bash
# setup.sh [aarch64]: what `make build` needs: a C compiler and linker, musl, and the Rust toolchain of
# rust-toolchain.toml; with `aarch64` what `make check-aarch64` needs besides: a C compiler for 64-bit ARM.
#
# Does nothing, and needs no network, when all is there. Installs as root (or by sudo when it asks for no password);
# otherwise it prints the command and ends.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."

target=x86_64-unknown-linux-musl
channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(uname -sm)" = "Linux x86_64" ] || fail "only Linux on x86-64 is supported; this is $(uname -sm)"

# 1. Packages: ring compiles C for musl, and cargo links with cc.
packages=()
command -v cc >/dev/null || packages+=(gcc libc6-dev)
command -v musl-gcc >/dev/null || packages+=(musl-tools)
if [ "${1:-}" = aarch64 ]; then
  target=aarch64-unknown-linux-musl
  # ring's C needs headers of any C library, and gets no object of this one: nothing is linked.
  command -v aarch64-linux-gnu-gcc >/dev/null || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
fi
if [ ${#packages[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "install these with your package manager: ${packages[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || fail "run: sudo apt-get install --no-install-recommends --no-remove ${packages[*]}"
    as_root=(sudo -n)
  fi
  say "installing ${packages[*]}"
  "${as_root[@]}" apt-get -qq update >/dev/null || say "apt-get update failed; trying with the lists at hand"
  # --no-remove: an installation of ours must never take a tool of the machine away.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=120 install "${packages[@]}" >/dev/null
fi

# 2. Rust.
if ! command -v rustup >/dev/null; then
  command -v cargo >/dev/null || fail "install rustup (https://rustup.rs), then run make again"
  rustc --print target-libdir --target "$target" 2>/dev/null | { read -r dir && [ -d "$dir" ]; } ||
    fail "this cargo has no target $target: install rustup (https://rustup.rs)"
  exit 0
fi
if ! rustup target list --installed --toolchain "$channel" 2>/dev/null | grep -qx "$target"; then
  say "installing Rust $channel for $target"
  rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt --target "$target"
fi
