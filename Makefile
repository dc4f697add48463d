# One verb for each job; the machine that checks every change runs `check` and `test` (.ci/run). Needs Rust (rustup), Python 3 with pip, make and a C compiler.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up test check gen measure audit clean deny needed

DENY := 0.20.2
TARGET := $(or $(CARGO_TARGET_DIR),target)
# What is fetched once is kept here.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

NATS_SERVER = KEZ_NATS_SERVER="$$(nats/get-nats-server)"; export KEZ_NATS_SERVER

help:
	@echo 'make up       build and run the whole server; KEZ_CHAT_* variables configure it, Ctrl-C stops it'
	@echo 'make test     build everything and run all tests, with a real nats-server'
	@echo 'make check    formatting, lints, licences and banned dependencies'
	@echo 'make gen      write anew what is generated from proto-schemas'
	@echo 'make measure  speed of the release build on this machine'
	@echo 'make audit    known vulnerabilities of the dependencies (asks the network)'
	@echo 'make clean    remove what was built, keep what was fetched'

# `exec`: the server is what Ctrl-C reaches, beside make, which waits for it to stop in order.
up: needed
	@$(NATS_SERVER); cargo build --release --locked -p kez-chat-server -p kez-client --bins
	@$(NATS_SERVER); exec "$(TARGET)/release/kez-chat-server"

test: needed
	cargo build --workspace --bins --locked
	@$(NATS_SERVER); status=0; cargo test --workspace --locked --no-fail-fast | tee "$(TARGET)/test.log" || status=$$?; \
	awk '/^test result:/ { passed += $$4; failed += $$6; skipped += $$8 } END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$(TARGET)/test.log"; \
	exit $$status

check: needed deny
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --locked check bans licenses sources

gen: needed
	cargo run --quiet -p kez-proto --example gen

measure: needed
	cargo build --workspace --bins --release --locked
	@$(NATS_SERVER); cargo run --release --locked -p kez-tests --example measure

audit: needed deny
	cargo deny --locked check advisories

clean:
	cargo clean

deny: needed
	@[ "$$(cargo deny --version 2>&1)" = "cargo-deny $(DENY)" ] || cargo install --locked --root .tools --version $(DENY) cargo-deny

needed:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install rustup (https://rustup.rs), then try again' >&2; exit 1; }
	@command -v python3 >/dev/null || { echo 'python3 is missing: install it with its pip, then try again' >&2; exit 1; }
