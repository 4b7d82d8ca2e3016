#!/bin/sh
# install.sh: the init container of the DaemonSet: programs and policies onto the node, runtimes into the engine's file.
#
# Runs at each start of the pod; the engine is restarted only when its file has changed. ENGINE is containerd or crio,
# RUNTIMES names runtimes as `nemoclaw register` takes them. The other variables are for nodes with other paths.
set -eu
from=${FROM:-/nemoclaw}
bin=${BIN:-/opt/nemoclaw/bin}
engine=${ENGINE:-containerd}
etc=${ETC:-/etc/nemoclaw}
case $engine in
  containerd) file=${CONFIG:-/etc/containerd/config.toml} ;;
  crio) file=${CONFIG:-/etc/crio/crio.conf.d/50-nemoclaw.conf} ;;
  *) echo "install: ENGINE is containerd or crio, not $engine" >&2; exit 2 ;;
esac

# A rename, so that a running program is replaced and not written to.
for name in nemoclaw-runtime nemoclaw-egress nemoclaw-router nemoclaw; do
  cp "$from/bin/$name" "$bin/.$name.new"
  chmod 0755 "$bin/.$name.new"
  mv "$bin/.$name.new" "$bin/$name"
done
sh "$from/policies.sh"

set --
for runtime in ${RUNTIMES:-nemoclaw}; do set -- "$@" --runtime "$runtime"; done
before=$(cksum "$file" 2>/dev/null || true)
"$bin/nemoclaw" --config "$etc/config.yaml" register "$engine" --config "$file" "$@"
if [ "$before" != "$(cksum "$file")" ]; then
  echo "install: $file has changed: restarting $engine" >&2
  ${RESTART:-nsenter -t 1 -m -- systemctl restart "$engine"}
fi
