# Two commands do all set-up: `make demo` and `make test`. A second run builds nothing.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export PATH := $(PATH):$(HOME)/.cargo/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CARGO_TERM_PROGRESS_WHEN ?= auto

VENV := .venv
BIN := $(VENV)/bin
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml -o -name build.rs)
SAY := @printf '\n== %s\n'

.PHONY: help demo test test-rust test-python soak-reconnect soak-orders soak-lives soak-handoffs soak-lives test-pythons test-peers lint format wheel bench-bridge bench-first-audio bench-audio soak-voice bench-splitter bench-voice autobahn bench-transport bench-rubato clean

help: ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.made:
	$(SAY) "A virtual environment in $(VENV)"
	@python=$$(scripts/prerequisites.sh) && "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.14,<2'
	@touch $@

$(VENV)/.native: $(VENV)/.made $(RUST) pyproject.toml
	@scripts/prerequisites.sh >/dev/null
	$(SAY) "Building the native module and installing the package (the first time: some minutes)"
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --extras local,testing
	@touch $@

$(VENV)/.test: $(VENV)/.native
	$(SAY) "Installing what the tests need"
	@$(BIN)/python -m pip install --quiet --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	$(SAY) "Installing the checkers"
	@$(BIN)/python -m pip install --quiet --group lint
	@touch $@

demo: $(VENV)/.native ## Ask a spoken question offline and hear the answer, through both engines
	@$(BIN)/voxloop demo $(ARGS)

test: test-rust test-python ## Run every test

test-rust: $(VENV)/.made
	$(SAY) "Rust tests"
	@cargo test --quiet --workspace --exclude voxloop-py
	$(SAY) "The wake-up protocol under every interleaving (loom)"
	@LOOM_MAX_PREEMPTIONS=3 RUSTFLAGS="--cfg loom" cargo test --quiet -p voxloop-queue --lib --target-dir target/loom

test-python: $(VENV)/.test
	$(SAY) "Python tests"
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

soak-reconnect: $(VENV)/.test ## A thousand connections lost at random moments (some minutes)
	@VOXLOOP_RECONNECTS=$${VOXLOOP_RECONNECTS:-1000} $(BIN)/python -m pytest --timeout 3600 -o faulthandler_timeout=0 -s tests/realtime/test_lost_connections.py

soak-orders: $(VENV)/.test ## A million random orders of events, commands and losses (an hour)
	@VOXLOOP_ORDERS=$${VOXLOOP_ORDERS:-1000000} $(BIN)/python -m pytest --timeout 36000 -o faulthandler_timeout=0 -s -p no:xdist tests/realtime/test_orders.py -k random

soak-lives: $(VENV)/.test ## Hundreds of random lives of a session over real sockets (some minutes)
	@VOXLOOP_SOCKET_CASES=$${VOXLOOP_SOCKET_CASES:-300} VOXLOOP_SOCKET_STEPS=60 VOXLOOP_MUTANTS=$${VOXLOOP_MUTANTS:-100000} $(BIN)/python -m pytest --timeout 36000 -o faulthandler_timeout=0 -s -p no:xdist tests/realtime/test_socket_machine.py tests/realtime/test_mutated_frames.py

soak-handoffs: $(VENV)/.test ## Ten thousand handoffs and calls of tools under a microphone (some minutes)
	@VOXLOOP_HANDOFFS=$${VOXLOOP_HANDOFFS:-10000} $(BIN)/python -m pytest --timeout 36000 -o faulthandler_timeout=0 -s tests/realtime/test_handoff_soak.py

test-pythons: $(VENV)/.test ## Import, native tests and demo on every other CPython found, with one abi3 wheel
	@scripts/other-pythons.sh

# Of its own: openai-agents wants another websockets than our tests.
.venv-peers/.made: $(VENV)/.made pyproject.toml
	$(SAY) "A virtual environment for other clients of our servers"
	@$(BIN)/python -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet 'pip>=25.1'
	@.venv-peers/bin/python -m pip install --quiet --group peers $$($(BIN)/python -c \
	  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])')
	@touch $@

test-peers: $(VENV)/.test .venv-peers/.made ## Other clients (openai, openai-agents) and our servers; their agents, our workflow
	$(SAY) "Other clients against our servers"
	@$(BIN)/python -m pytest tests/peers $(ARGS)
	$(SAY) "Agents of openai-agents in our workflow"
	@.venv-peers/bin/python -c 'import agents'
	@PYTHONPATH=python .venv-peers/bin/python -m pytest tests/net/test_openai_agents.py $(ARGS)

lint: $(VENV)/.lint ## Formatting, lints, types, stubs, import layers
	$(SAY) "Rust: format and clippy"
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(SAY) "Python: ruff, mypy, pyright, import layers, stub"
	@$(BIN)/ruff format --check python tests benches examples
	@$(BIN)/ruff check python tests benches examples
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports
	@MYPYPATH=python $(BIN)/python -m mypy.stubtest voxloop._native --allowlist tests/contract/stubtest-allowlist.txt

format: $(VENV)/.lint ## Format everything
	@cargo fmt --all
	@$(BIN)/ruff format python tests benches examples
	@$(BIN)/ruff check --fix python tests benches examples

wheel: $(VENV)/.made ## Build the release wheel and prove it in a clean environment without Rust
	$(SAY) "Building the release wheel"
	@$(BIN)/maturin build --release --out dist
	@scripts/prove-wheel.sh

bench-bridge: $(VENV)/.test ## Measure the bridge against websockets under trio, TLS on both sides
	@$(BIN)/python benches/bridge.py $(ARGS)

bench-first-audio: $(VENV)/.test ## Measure the time from the end of a turn to the first audio
	@$(BIN)/python benches/first_audio.py $(ARGS)

# Of its own: the peers stay out of the development environment. A wheel, since an editable install
# would put the release build into the source tree, where the tests use it too.
.venv-bench/.made: $(VENV)/.made $(RUST) pyproject.toml
	$(SAY) "A virtual environment for benches, with a release build and the peers"
	@$(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.14,<2'
	@rm -rf .venv-bench/wheel && .venv-bench/bin/maturin build --release --out .venv-bench/wheel
	@.venv-bench/bin/python -m pip install --quiet --force-reinstall --no-deps .venv-bench/wheel/*.whl
	@.venv-bench/bin/python -m pip install --quiet .venv-bench/wheel/*.whl --group bench
	@touch $@

bench-audio: .venv-bench/.made ## Measure resampling, WAV, G.711 and PCM against their peers
	@.venv-bench/bin/python benches/audio.py $(ARGS)

bench-rubato: ## Measure the resampler against rubato's, in Rust
	@cargo run --quiet --release --manifest-path benches/rubato/Cargo.toml --target-dir target/bench-rubato

soak-voice: $(VENV)/.test ## Cancel a voice pipeline at 10,000 random points, then stream an hour through it
	@VOXLOOP_FUZZ_CASES=10000 $(BIN)/python -m pytest -q -s -o faulthandler_timeout=0 tests/voice/test_cancel_fuzz.py
	@$(BIN)/python benches/voice_soak.py $(ARGS)

bench-splitter: .venv-bench/.made ## Measure the sentence splitter against its peers
	@.venv-bench/bin/python benches/splitter.py $(ARGS)

bench-voice: .venv-bench/.made ## Measure voice pipelines over one scripted server
	@.venv-bench/bin/python benches/voice.py $(ARGS)

autobahn: $(VENV)/.test ## Judge the WebSocket client by the Autobahn suite; wants CPython 2.7 and a calm machine
	@wstest=$$(scripts/autobahn-env.sh) && $(BIN)/python benches/autobahn.py --wstest "$$wstest" $(ARGS)

# The load generator is a crate of its own: nothing else builds it.
target/load/release/voxloop-load: $(shell find benches/load -name '*.rs' -o -name 'Cargo.*')
	$(SAY) "Building the load generator"
	@cargo build --quiet --release --manifest-path benches/load/Cargo.toml --target-dir target/load

bench-transport: .venv-bench/.made $(VENV)/.test target/load/release/voxloop-load ## Measure realtime clients against one load generator
	@.venv-bench/bin/python benches/transport.py $(ARGS)

clean: ## Remove what was built
	rm -rf $(VENV) .venv-* target dist voxloop-demo
