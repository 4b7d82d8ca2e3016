#!/usr/bin/env bash
# build.sh [TAG]: builds the image that the DaemonSet runs, from target/dist and Debian's busybox-static.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../../..")
dist=${NEMOCLAW_DIST:-$root/target/dist}
tag=${1:-nemoclaw:$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)}
busybox=/bin/busybox
[ -x "$busybox" ] || { echo "build: run: apt-get install --no-install-recommends busybox-static" >&2; exit 1; }
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/bin" "$context/nemoclaw/bin" "$context/etc" "$context/tmp"
for name in nemoclaw-runtime nemoclaw-egress nemoclaw-router nemoclaw; do
  [ -x "$dist/$name" ] || { echo "build: $dist/$name is not there: run \`make build\` first" >&2; exit 1; }
  install -m 0755 "$dist/$name" "$context/nemoclaw/bin/$name"
done
install -m 0755 "$busybox" "$context/bin/busybox"
for name in sh cat cksum chmod cmp cp echo grep mkdir mv nsenter rm sleep; do ln -s busybox "$context/bin/$name"; done
install -m 0644 "$here"/{install,uninstall,policies}.sh "$context/nemoclaw/"
# The router's worker runs as `nobody`.
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$context/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$context/etc/group"
docker build --quiet --file "$here/Dockerfile" --tag "$tag" "$context"
echo "built $tag" >&2
