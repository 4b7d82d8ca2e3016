#!/usr/bin/env bash
# new-engines.sh: the tests of engines, traffic and packets once more, with engines from `setup-new.sh`'s tree.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."

NEMOCLAW_TEST_TREE=$(integration/tests/setup-new.sh)
export NEMOCLAW_TEST_TREE
export NEMOCLAW_TEST_WORLD=/var/tmp/nemoclaw-tests-new
world() { cargo run --quiet --package nemoclaw-tests --bin nemoclaw-world -- "$1"; }

binaries=(--test newer --test engine --test containerd --test traffic --test packets)
world down # what an interrupted run left
status=0
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --package nemoclaw-tests --run-ignored all "${binaries[@]}" || status=$?
else
  cargo test --package nemoclaw-tests --no-fail-fast "${binaries[@]}" -- --include-ignored || status=$?
fi
world down
exit $status
