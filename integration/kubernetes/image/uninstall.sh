#!/bin/sh
# uninstall.sh: takes out what install.sh put on the node; configuration, policies and logs stay.
set -eu
from=${FROM:-/nemoclaw}
bin=${BIN:-/opt/nemoclaw/bin}
engine=${ENGINE:-containerd}
case $engine in
  containerd) file=${CONFIG:-/etc/containerd/config.toml} ;;
  crio) file=${CONFIG:-/etc/crio/crio.conf.d/50-nemoclaw.conf} ;;
  *) echo "uninstall: ENGINE is containerd or crio, not $engine" >&2; exit 2 ;;
esac
before=$(cksum "$file" 2>/dev/null || true)
"$from/bin/nemoclaw" unregister "$engine" --config "$file"
if [ "$before" != "$(cksum "$file" 2>/dev/null || true)" ]; then
  echo "uninstall: $file has changed: restarting $engine" >&2
  ${RESTART:-nsenter -t 1 -m -- systemctl restart "$engine"}
fi
for name in nemoclaw-runtime nemoclaw-egress nemoclaw-router nemoclaw; do rm -f "$bin/$name"; done
