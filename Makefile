# NemoClaw: what people and machines call. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PREFIX ?= /usr/local
DESTDIR ?=
TARGET := x86_64-unknown-linux-musl
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DIST := target/dist
ROUNDS ?= 50
SECONDS ?= 60
BINARIES := nemoclaw-runtime nemoclaw-egress nemoclaw-router nemoclaw
# rustup puts cargo here, and a fresh shell may not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help setup build try test fuzz conformance conformance-peers soak test-vm test-engines-new test-setup check-aarch64 bench-lifecycle bench-policy bench-router bench-privacy docs lint fmt install uninstall clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-18s %s\n' "$$name" "$$what"; done

setup: ## Install what the build needs (compiler, musl, Rust target); nothing when it is there
	@integration/packaging/setup.sh

build: setup ## Four static binaries in target/dist
	@cargo build --release --target $(TARGET) $(addprefix --package ,$(BINARIES))
	@mkdir -p $(DIST)
	@for name in $(BINARIES); do install -m 0755 "$(TARGET_DIR)/$(TARGET)/release/$$name" "$(DIST)/$$name.new"; mv "$(DIST)/$$name.new" "$(DIST)/$$name"; done
	@ls -l $(addprefix $(DIST)/,$(BINARIES))

try: build ## Run a real program in a sandbox, and see what was allowed and what was stopped
	@integration/packaging/try.sh

test: build test-setup ## All tests; those that need root or an engine say so when they are left out
	@cargo run --quiet --package nemoclaw-tests --bin nemoclaw-world -- down # what an interrupted run left holds other binaries
	@status=0; \
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace || status=$$?; else cargo test --workspace --no-fail-fast || status=$$?; fi; \
	cargo run --quiet --package nemoclaw-tests --bin nemoclaw-world -- down; \
	if [ -s target/test-tools/skipped.txt ]; then echo "skipped:"; cat target/test-tools/skipped.txt; fi; \
	exit $$status

conformance: build test-setup ## What an OCI runtime must do, by topic, tried on ours
	@cargo test --package nemoclaw-tests --test conformance

conformance-peers: build test-setup ## The checks of conformance on Debian's runc and crun too: where one passes, ours must
	@cargo test --package nemoclaw-tests --test conformance -- --ignored peer

soak: ## What tests repeat, ten times as often: kills at every call, 10,000 boxes, 500 at once (needs root; a quarter of an hour)
	@NEMOCLAW_SOAK=1 cargo test --package nemoclaw-runtime --test boxes -- --nocapture --test-threads 1 soak::

fuzz: ## Every fuzz target for SECONDS=60 each; what is found stays in fuzz/artifacts (`fuzz/run 600 dns` runs one)
	@fuzz/run $(SECONDS)

test-vm: ## The tests of cgroups on version 2, in virtual machines with kernels of Debian (a minute)
	@integration/tests/vm/run.sh

test-engines-new: build test-setup ## The engines' tests once more, with Docker 26 and containerd 1.7 from a tree of Debian 13
	@integration/tests/new-engines.sh

test-setup:
	@integration/tests/setup.sh

check-aarch64: ## Whether the four binaries compile for 64-bit ARM (DGX Spark, GB300); builds nothing that runs
	@integration/packaging/setup.sh aarch64
	@CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc AR_aarch64_unknown_linux_musl=aarch64-linux-gnu-ar \
	cargo check --target aarch64-unknown-linux-musl $(addprefix --package ,$(BINARIES))

bench-lifecycle: build ## How long create, start, exec, delete take, beside crun and runc: ROUNDS=50 (needs root and a machine at rest)
	@integration/tests/benches/setup.sh
	@cargo bench --quiet --profile dev --package nemoclaw-tests --bench lifecycle -- --rounds $(ROUNDS)

bench-policy: ## What a decision of a policy costs, with 1, 100 and 10,000 endpoints; fails above a microsecond
	@cargo bench --quiet --package nemoclaw-policy --bench decide
bench-router: ROUNDS := 7
bench-router: build ## What a request costs through the router, beside haproxy, nginx and Envoy: ROUNDS=7 (needs root and a machine at rest)
	@integration/tests/benches/setup-router.sh
	@cargo bench --quiet --profile dev --package nemoclaw-tests --bench router -- --rounds $(ROUNDS)

bench-privacy: ROUNDS := 7
bench-privacy: build ## What the Privacy Router costs, finds and misses, beside LiteLLM and Presidio: ROUNDS=7 (needs root and a machine at rest)
	@integration/tests/benches/setup-privacy.sh
	@for bench in scan accuracy restore; do cargo bench --quiet --package nemoclaw-privacy --bench $$bench; done
	@cargo bench --quiet --profile dev --package nemoclaw-tests --bench privacy -- --rounds $(ROUNDS)

docs: ## Write what is made from the code: the JSON Schema of policies
	@cargo run --quiet --package nemoclaw-policy --example schema > profiles/schema/policy.v1.json.new
	@mv profiles/schema/policy.v1.json.new profiles/schema/policy.v1.json

lint: ## Clippy without warnings, formatting
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo fmt --all --check

fmt: ## Format
	@cargo fmt --all

install: ## Install below PREFIX (/usr/local), in DESTDIR: binaries, unit files, an example of the configuration
	@integration/packaging/install.sh install "$(DIST)" "$(DESTDIR)" "$(PREFIX)"

uninstall: ## Remove what install put there; configuration, logs and sandboxes stay
	@integration/packaging/install.sh uninstall "$(DIST)" "$(DESTDIR)" "$(PREFIX)"

clean: ## Remove what was built
	@cargo clean
	@rm -rf $(DIST)
