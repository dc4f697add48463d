# One verb for each job; the machine that checks every change runs `check` and `test` (.ci/run). Needs Rust (rustup), Python 3 with pip and venv, make and a C
# compiler; for the tests in a browser, chromium.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up web pictures test check gen bench chaos chaos-broken upgrade fuzz audit clean deny needed

DENY := 0.20.2
CARGO_FUZZ := 0.13.2
# Faults of `make chaos`, the seed that repeats a run, and words that the names of the kinds have, such as "disk full".
FAULTS ?= 200
SEED ?= 1
ONLY ?=
# What `make bench` measures; everything if it is empty.
BENCH ?=
# The commit that `make upgrade` begins with.
FROM ?= HEAD^
# Inputs that `make fuzz` tries of each target.
RUNS ?= 1000000
TARGET := $(or $(CARGO_TARGET_DIR),target)
# What is fetched once is kept here.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

# Node is for the web client and for tests of clients; the server needs none.
NODE = PATH="$$(web/get-node):$$PATH"; export PATH
MODULES := $(patsubst %,%/node_modules/.package-lock.json,web tests/browser tests/stock)
NATS_SERVER = KEZ_NATS_SERVER="$$(nats/get-nats-server)"; export KEZ_NATS_SERVER

help:
	@echo 'make up       build and run the whole server; KEZ_CHAT_* variables configure it, Ctrl-C stops it'
	@echo 'make web      build the web client, which the server has within it'
	@echo 'make pictures pictures of every page of the web client, in target/pictures; those of the README are made anew'
	@echo 'make test     build everything and run all tests, with a real nats-server'
	@echo 'make check    formatting, lints, licences and banned dependencies'
	@echo 'make gen      write anew what is generated from proto-schemas'
	@echo 'make bench    speed and cost of the release build, beside their floors; BENCH=latency for a part, BENCH=--help tells of all'
	@echo 'make chaos    a cluster under load while its parts break; FAULTS=n, SEED=n and ONLY=words for another run. As root, with ip, iptables, unshare and faketime'
	@echo 'make chaos-broken  the same with a fan-out that acknowledges too early, which must be found out'
	@echo 'make upgrade  a cluster of containers goes from another commit to this one under load; FROM=commit. Needs a Docker engine'
	@echo 'make fuzz     throw a million inputs at each reader of logins, tokens, registrations and subjects; RUNS=n for another number'
	@echo 'make audit    known vulnerabilities of the dependencies (asks the network)'
	@echo 'make clean    remove what was built, keep what was fetched'

# `exec`: the server is what Ctrl-C reaches, beside make, which waits for it to stop in order.
up: needed web
	@$(NATS_SERVER); cargo build --release --locked -p kez-chat-server -p kez-client --bins
	@$(NATS_SERVER); exec "$(TARGET)/release/kez-chat-server"

# Quiet unless it fails: npm's own lines say nothing that a reader of `make up` needs.
web: needed web/node_modules/.package-lock.json
	@echo 'building the web client'
	@$(NODE); npm --prefix web run --silent build -- --logLevel warn
	@$(NODE); npm --prefix web run --silent build:library -- --logLevel warn

pictures: web tests/browser/node_modules/.package-lock.json
	cargo build --locked -p kez-chat-server
	@$(NATS_SERVER); $(NODE); cd tests/browser; KEZ_CHAT_SERVER="$(abspath $(TARGET))/debug/kez-chat-server" node screenshots.js "$(abspath $(TARGET))/pictures"
	@mkdir -p docs/pictures
	@cp "$(TARGET)/pictures/10-chat.desk.light.png" docs/pictures/chat-desk.png
	@cp "$(TARGET)/pictures/10-chat.phone.dark.png" docs/pictures/chat-phone.png

test: needed web $(MODULES) .tools/stock/installed
	@$(NODE); npm --prefix web test
	cargo build --workspace --bins --locked
	@$(NATS_SERVER); $(NODE); status=0; cargo test --workspace --locked --no-fail-fast | tee "$(TARGET)/test.log" || status=$$?; \
	awk '/^test result:/ { passed += $$4; failed += $$6; skipped += $$8 } END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$(TARGET)/test.log"; \
	exit $$status

check: needed deny web/node_modules/.package-lock.json
	@$(NODE); npm --prefix web run check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --locked check bans licenses sources

gen: needed web/node_modules/.package-lock.json
	cargo run --quiet -p kez-proto --example gen
	@$(NODE); npm --prefix web run gen

bench: needed web
	cargo build --workspace --bins --release --locked
	@$(NATS_SERVER); "$(TARGET)/release/kez-bench" --out "$(TARGET)/bench" $(BENCH)
ifeq ($(strip $(BENCH)),)
	@$(NATS_SERVER); cargo run --release --locked -p kez-tests --example reconnects
	cargo run --release --locked -p kez-client --example measure_sealing
endif

chaos: needed web
	cargo build --workspace --bins --locked
	@$(NATS_SERVER); KEZ_CHAOS_FAULTS=$(FAULTS) KEZ_CHAOS_SEED=$(SEED) KEZ_CHAOS_ONLY="$(ONLY)" cargo test --locked -p kez-tests --test chaos

# A fan-out that acknowledges before it stores, built from a copy: the checker must find it out.
BROKEN = $(abspath $(TARGET))/broken
chaos-broken: needed web
	cargo build --workspace --bins --locked
	@rm -rf "$(BROKEN)"; mkdir -p "$(BROKEN)"; git ls-files -z | xargs -0 cp --parents -t "$(BROKEN)"
	patch -d "$(BROKEN)" -p1 --fuzz=0 <tests/chaos/broken.patch
	cd "$(BROKEN)"; CARGO_TARGET_DIR="$(BROKEN)-build" cargo build --locked -p kez-fanout
	@$(NATS_SERVER); export KEZ_CHAOS_FAULTS=4 KEZ_CHAOS_SEED=$(SEED) KEZ_CHAOS_ONLY='kez-fanout: kill' KEZ_CHAOS_FANOUT="$(BROKEN)-build/debug/kez-fanout"; \
	if cargo test --locked -p kez-tests --test chaos >"$(TARGET)/chaos-broken.log" 2>&1; then echo 'it was not found out' >&2; exit 1; fi; \
	grep --only-matching --max-count 1 'acknowledged and lost.\{0,200\}' "$(TARGET)/chaos-broken.log"

# On a Docker engine: the image of another commit is replaced by this one's, as an operator does it, while mail goes through.
upgrade: needed web
	rm -rf "$(TARGET)/from" && mkdir -p "$(TARGET)/from"
	git archive "$(FROM)" | tar -x -C "$(TARGET)/from"
	docker build --quiet --file "$(TARGET)/from/deploy/Dockerfile" --tag kez-chat:from "$(TARGET)/from"
	cargo build --workspace --bins --locked
	@$(NATS_SERVER); KEZ_TEST_UPGRADE_FROM=kez-chat:from cargo test --locked -p kez-tests --test deploy -- --nocapture mail_goes

# On the stable compiler, and so without a sanitizer. New inputs go to target/fuzz; what is worth keeping is copied to tests/fuzz/corpus, which
# `make test` replays.
FUZZ = cargo fuzz run --fuzz-dir tests/fuzz --features fuzzing -s none
fuzz: needed
	@[ "$$(cargo fuzz --version 2>&1)" = "cargo-fuzz $(CARGO_FUZZ)" ] || cargo install --locked --root .tools --version $(CARGO_FUZZ) cargo-fuzz
	@for target in $$(ls tests/fuzz/corpus); do \
		mkdir -p "$(TARGET)/fuzz/$$target"; \
		echo "== $$target: $(RUNS) inputs"; \
		$(FUZZ) "$$target" "$(TARGET)/fuzz/$$target" "tests/fuzz/corpus/$$target" -- -runs=$(RUNS) -max_len=4096 -verbosity=0 -print_final_stats=1; \
	done

audit: needed deny
	cargo deny --locked check advisories

clean:
	cargo clean

# Exactly what the lock file says; npm notes in this file what it put there.
%/node_modules/.package-lock.json: %/package-lock.json
	@$(NODE); npm ci --prefix $* --no-audit --no-fund
	@touch $@

# Stock NATS clients in Python, for a test.
.tools/stock/installed: tests/stock/requirements.txt
	python3 -m venv .tools/stock
	.tools/stock/bin/pip install --quiet --no-input --disable-pip-version-check -r $<
	@touch $@

deny: needed
	@[ "$$(cargo deny --version 2>&1)" = "cargo-deny $(DENY)" ] || cargo install --locked --root .tools --version $(DENY) cargo-deny

needed:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install rustup (https://rustup.rs), then try again' >&2; exit 1; }
	@command -v python3 >/dev/null || { echo 'python3 is missing: install it with its pip, then try again' >&2; exit 1; }
