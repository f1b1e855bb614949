# Everything a newcomer needs; `make` alone lists it. Each target sets up what it needs first, which takes no
# time when it is there already.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# cargo uses all cores by itself, and two of them at once would wait for each other.
.NOTPARALLEL:

# Where rustup puts cargo, for shells that have not read its profile yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
ENV := . scripts/env.sh &&

.PHONY: help setup setup-tools build tune demo demo-sim test test-reference soak lint bench doc clean distclean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Install ROS 2, ONNX Runtime, messages, model weights and footage into .deps and models
	@scripts/setup.sh

build: setup ## Build target/release/roadproof
	@$(ENV) cargo build --release --locked

tune: setup ## Build target/release/roadproof-tune, which fine-tunes compressed models
	@$(ENV) cargo build --release --locked -p roadproof-tune

demo: build ## Run the node on two cameras with real footage; ends with a summary and annotated frames
	@$(ENV) scripts/demo.sh

demo-sim: build ## Run the node in a driving simulator with changing weather; ends with true accuracy beside the estimate
	@scripts/setup_sim.sh
	@$(ENV) scripts/demo_sim.sh

test: build ## Unit and property tests (cargo), then set-up and end-to-end tests over ROS 2 (pytest)
	@$(ENV) cargo test --locked
	@$(ENV) cargo test --locked -p roadproof-tune
	@$(ENV) ROADPROOF_BIN="$$(realpath $(TARGET_DIR)/release/roadproof)" "$$ROADPROOF_PYTHON" -m pytest tests

# Not part of `test`: the reference is slow, and building its environment takes minutes.
test-reference: build ## The corruptions beside the published reference, in an environment of its own
	@tests/corruption/reference_env.sh
	@$(ENV) ROADPROOF_BIN="$$(realpath $(TARGET_DIR)/release/roadproof)" "$$ROADPROOF_PYTHON" -m pytest tests/corruption

# The share of MINUTES that `all` gives the other scenarios makes 45 minutes of 30. Needs a machine that does nothing else.
MINUTES ?= 30
soak: build ## Soak and chaos runs of the node (MINUTES=30), with JSON and tables.md in soak-output
	@$(ENV) ROADPROOF_BIN="$$(realpath $(TARGET_DIR)/release/roadproof)" "$$ROADPROOF_PYTHON" -m tests.soak all --minutes $(MINUTES)

# Linters need neither the weights nor the footage.
setup-tools:
	@scripts/setup.sh system rust ros python onnxruntime interfaces lint

lint: setup-tools ## Formatting, clippy with and without ROS, dependency rules, shell and Python scripts
	cargo fmt --all --check
	$(ENV) cargo clippy --locked --all-targets -- -D warnings
	$(ENV) cargo clippy --locked --all-targets --no-default-features -- -D warnings
	$(ENV) cargo clippy --locked --all-targets -p roadproof-tune -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then set -x; cargo deny --all-features --locked check; \
	    else echo 'lint: cargo-deny is not installed, its checks are left out'; fi
	# Files of scripts/setup/ are checked as what scripts/setup.sh sources.
	$(ENV) shellcheck -x --check-sourced --severity=warning $$(git ls-files '*.sh' .ci/run ':!scripts/setup/')
	$(ENV) ruff check
	$(ENV) ruff format --check

bench: build ## Criterion benchmarks, the node's overhead, and the node beside a plain rclpy node
	@$(ENV) scripts/bench.sh

doc: setup-tools ## API documentation in target/doc
	@$(ENV) RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --locked --no-deps --document-private-items
	@$(ENV) RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc -p roadproof-tune --locked --no-deps --document-private-items

clean: ## Remove what was built
	cargo clean
	rm -rf build install log demo-output demo-sim-output soak-output

distclean: clean ## Remove what was installed and fetched as well
	rm -rf .deps models/*.onnx
