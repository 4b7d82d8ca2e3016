#!/bin/sh
# policies.sh [SECONDS]: the node's configuration and policies as they are in the ConfigMaps, once, or every SECONDS.
#
# A file is checked before it is put in place, by a rename; one with a fault is left out, and what was there stays.
# Policies that a person put on the node stay too: only those that came from the ConfigMap go when they leave it.
set -eu
from=${FROM:-/nemoclaw}
etc=${ETC:-/etc/nemoclaw}
nemoclaw=${BIN:-/opt/nemoclaw/bin}/nemoclaw
list=$etc/policies/.from-configmap
mkdir -p "$etc/policies"

# put SOURCE TARGET CHECK...: CHECK is called on a copy. A fault is told once, not every time.
put() {
  source=$1 target=$2
  shift 2
  if cmp -s "$source" "$target" || cmp -s "$source" "$target.faulty"; then return 0; fi
  cp "$source" "$target.new"
  chmod 0644 "$target.new"
  if "$@" "$target.new" >/dev/null; then
    mv "$target.new" "$target"
    rm -f "$target.faulty"
    echo "policies: $target is new"
  else
    mv "$target.new" "$target.faulty"
    echo "policies: $target stays as it is: its new text has a fault" >&2
  fi
}
# Every verb reads the configuration first.
check_config() { "$nemoclaw" --config "$1" policy validate default; }
check_policy() { "$nemoclaw" policy validate "$1"; }

sync() {
  if [ -e "$from/config/config.yaml" ]; then put "$from/config/config.yaml" "$etc/config.yaml" check_config; fi
  : >"$list.new"
  for one in "$from"/policies/*.yaml; do
    [ -e "$one" ] || continue
    echo "${one##*/}" >>"$list.new"
    put "$one" "$etc/policies/${one##*/}" check_policy
  done
  if [ -e "$list" ]; then
    while read -r name; do
      if ! grep -qxF "$name" "$list.new"; then
        rm -f "$etc/policies/$name" "$etc/policies/$name.faulty"
        echo "policies: $etc/policies/$name is gone"
      fi
    done <"$list"
  fi
  mv "$list.new" "$list"
}

sync
if [ $# -gt 0 ]; then
  while sleep "$1"; do sync; done
fi
