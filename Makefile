# make demo   sets everything up, then runs the main job: a tapped federation, attacked
# make test   sets everything up, then passes every test, on each core one worker (WORKERS=0: in a row, without any)
# make check  format, lint, types, import contracts, all tests (what CI runs)
# make quick  the same without the slow tests
# make matrix  a part of the tests with each version of Flower that is known (FLOWER="1.38.0 1.41.0")
# make setup  sets everything up; TORCH=cpu takes PyTorch's build without CUDA, a tenth of the download
# make browser  installs Debian's chromium, which one test opens the report in; `make test` does it too
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
OUT    ?= runs/demo
WORKERS ?= logical
# No more than eight: each holds a PyTorch of its own.
PYTEST = $(BIN)/pytest -n $(WORKERS) --maxprocesses 8

export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Unset: where an environment forbids compiled files, as those of containers do, every process compiles PyTorch anew.
export PYTHONDONTWRITEBYTECODE :=

ifdef TORCH
export UV_TORCH_BACKEND := $(TORCH)
endif

.PHONY: setup demo test check quick matrix lint types contracts browser format clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make/make/p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@echo "fedleak: setting up $(VENV), once (PyTorch, Flower and their friends: a minute or three)"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v[:2] >= (3, 11) else f"fedleak needs Python 3.11 or newer, $(PYTHON) is {v.major}.{v.minor}; try make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]' \
	  || { echo "fedleak: uv could not install; trying pip, which reads your pip configuration"; \
	       $(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'; }
	@echo "fedleak: set up"
	@touch $@

demo: setup
	@$(BIN)/fedleak demo --out $(OUT)

test: setup browser
	$(PYTEST) $(ARGS)

# One test opens the report in a browser and is skipped without one. It comes from the machine's own package manager, so
# it is installed only where that can be done without asking for a password.
browser:
	@test -x /usr/bin/chromium || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  echo "fedleak: installing chromium, once, for the test that opens the report" && \
	  { DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 || \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } \
	    >/dev/null 2>&1; }; } || \
	  echo "fedleak: /usr/bin/chromium is not there and cannot be installed; the test that opens the report is skipped"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy
	MYPYPATH=scripts/deploy $(BIN)/mypy scripts/deploy/__main__.py

contracts: setup
	@rm -rf build/contracts && mkdir -p build/contracts
	@cp -r fedleak build/contracts/ && cp -r attacks clients server build/contracts/fedleak/
	cd build/contracts && PYTHONPATH=. $(abspath $(BIN))/lint-imports --no-logo --config $(abspath pyproject.toml)

check: lint types contracts test

quick: lint types contracts setup
	$(PYTEST) -m 'not slow' $(ARGS)

# Each version lies alone in a folder, before the installed one on the path: all else is the same.
FLOWER ?= 1.38.0 1.40.0 1.41.0 1.42.0
MATRIX = tests/fedleak/federation tests/fedleak/audit tests/fedleak/wiretap tests/fedleak/guard tests/server tests/clients tests/test_deploy.py

matrix: setup
	@for version in $(FLOWER); do \
	  test -d build/flower/$$version || $(BIN)/uv pip install --quiet --no-deps --target build/flower/$$version flwr==$$version || exit 1; \
	  echo "fedleak: with Flower $$version"; \
	  PYTHONPATH=build/flower/$$version:$$PYTHONPATH $(PYTEST) $(MATRIX) -m 'not slow' $(ARGS) || exit 1; \
	  PYTHONPATH=build/flower/$$version:$$PYTHONPATH $(PYTEST) tests/end_to_end/test_audit.py -k 'photo or ladder' || exit 1; \
	done

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
