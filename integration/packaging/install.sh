#!/usr/bin/env bash
# install.sh install|uninstall DIST DESTDIR PREFIX: puts the four binaries and the unit files in place, or takes them out.
#
# Touches no configuration that is there, starts nothing, and registers nothing: `nemoclaw register docker` does that.
set -euo pipefail
verb=$1 dist=$2 destdir=$3 prefix=$4
here=$(dirname "$(realpath "$0")")
binaries=(nemoclaw-runtime nemoclaw-egress nemoclaw-router nemoclaw)
engines=(docker/daemon.example.json containerd/containerd.example.toml podman/containers.example.conf crio/50-nemoclaw.example.conf)
bin=$destdir$prefix/bin
units=$destdir$prefix/lib/systemd/system
examples=$destdir$prefix/share/doc/nemoclaw

case $verb in
  install)
    for name in "${binaries[@]}"; do
      [ -x "$dist/$name" ] || { echo "install: $dist/$name is not there: run \`make build\` first" >&2; exit 1; }
    done
    mkdir -p "$bin" "$units" "$examples"
    for name in "${binaries[@]}"; do
      # A rename, so that a running binary is replaced and not written to.
      install -m 0755 "$dist/$name" "$bin/.$name.new"
      mv "$bin/.$name.new" "$bin/$name"
    done
    sed "s|@BIN@|$prefix/bin|g" "$here/../systemd/nemoclaw-router.service" >"$units/nemoclaw-router.service"
    chmod 0644 "$units/nemoclaw-router.service"
    install -m 0644 "$here/config.example.yaml" "$examples/config.example.yaml"
    for file in "${engines[@]}"; do install -m 0644 "$here/../$file" "$examples/${file##*/}"; done
    echo "installed in $bin; see $prefix/share/doc/nemoclaw" >&2
    ;;
  uninstall)
    for name in "${binaries[@]}"; do rm -f "$bin/$name"; done
    rm -f "$units/nemoclaw-router.service" "$examples/config.example.yaml"
    for file in "${engines[@]}"; do rm -f "$examples/${file##*/}"; done
    # Links that carry a policy in their name, as long as they lead to what is removed.
    find "$bin" -maxdepth 1 -type l -name 'nemoclaw-runtime.*' -lname nemoclaw-runtime -delete 2>/dev/null || true
    rmdir "$examples" 2>/dev/null || true
    echo "removed from $bin; /etc/nemoclaw and /var/lib/nemoclaw are left" >&2
    ;;
  *) echo "install: no verb $verb" >&2; exit 2 ;;
esac
