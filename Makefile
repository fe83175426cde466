# Every target sets up what it needs: a virtual environment in the tree, locked dependencies, the
# built web console. `make help` lists the targets.
PYTHON ?= python3.11
# What Python compiled is kept, whatever the shell says: processes start a third sooner.
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
# It says of what has failed whether it fails alone as well.
PYTEST := $(BIN)/python tools/steadily.py
# Most of the suite waits for processes, not for the processor.
TEST_WORKERS ?= 4
# What needs more than Python.
REAL := real_docker or real_swarm or real_smtp or real_mysql or real_mongodb or real_redis or real_kafka or real_cassandra or real_nginx or real_mesh or real_disk or browser or readme

# Tests of one thing each, which may run side by side; then those of whole installations, three at a time;
# then those that bring up a mesh in containers, or kill, cut and look at the clock, which have the
# machine for themselves.
APART := tests/conformance tests/unit
ALONE := tests/compose tests/faults/test_kafka_outages.py $(wildcard tests/faults/test_mesh_*.py)

.DEFAULT_GOAL := help
.PHONY: help up test test-real check format lint types imports contracts docs console stubs web lock bench soak snapshot clean mesh-image mesh-up mesh-down mesh-clean

help: ## Lists the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/runtime web/dist/index.html ## Runs the whole allocator on this machine until Ctrl-C.
	@$(BIN)/allocctl up

test: $(VENV)/dev ## Runs the tests that need no server.
	$(PYTEST) -n $(TEST_WORKERS) --dist loadscope -m "not ($(REAL))"

test-real: $(VENV)/dev web/dist/index.html ## Runs the tests that need real servers, a Docker engine, a browser.
	$(PYTEST) -n $(TEST_WORKERS) --dist loadscope -m "$(REAL)" $(APART)
	$(PYTEST) -n 3 --dist loadgroup -m "$(REAL)" $(APART:%=--ignore=%) $(ALONE:%=--ignore=%)
	$(PYTEST) -m "$(REAL)" $(ALONE)

check: format lint types imports contracts docs console ## Runs every check that is no test.

format: $(VENV)/dev ## Fails where the formatter would change something.
	$(BIN)/ruff format --check .

lint: $(VENV)/dev ## Runs the linter.
	$(BIN)/ruff check .

types: $(VENV)/dev ## Checks the types.
	$(BIN)/mypy chassis user_svc machines_svc allocation_svc docker_svc interact_svc feed_svc broker notifier allocctl tools

imports: $(VENV)/dev ## Checks the rules of architecture: who may import whom, and names.
	$(BIN)/lint-imports
	$(BIN)/python tools/names.py

contracts: $(VENV)/dev ## Checks the contracts: style, breaking changes, fresh stubs and clients.
	$(BIN)/python tools/stubs.py --check --image $(VENV)/contracts.binpb
	cd protos && ../$(BIN)/buf lint ../$(VENV)/contracts.binpb --config buf.yaml
	cd protos && ../$(BIN)/buf breaking ../$(VENV)/contracts.binpb --against released.binpb --config buf.yaml
	$(BIN)/python tools/web_client.py --check
	$(BIN)/python tools/edge.py --check

docs: $(VENV)/dev ## Checks that generated reference pages are fresh and links lead somewhere.
	$(BIN)/python tools/reference.py --check

stubs: $(VENV)/dev ## Makes everything that is generated from the contracts.
	$(BIN)/python tools/stubs.py
	$(BIN)/python tools/web_client.py
	$(BIN)/python tools/edge.py
	$(BIN)/python tools/reference.py

console: | $(VENV)/bin/python ## Checks the web console: types, lint, format, its unit tests.
	tools/web.sh check test

snapshot: $(VENV)/dev ## Takes the contracts as those of the release that is made now.
	$(BIN)/python tools/stubs.py --check --image $(VENV)/contracts.binpb
	$(BIN)/buf build $(VENV)/contracts.binpb --exclude-source-info -o protos/released.binpb

web: web/dist/index.html ## Builds the web console.

mesh-image: ## Builds the images of the mesh.
	deploy/compose/mesh.sh image

mesh-up: ## Runs the mesh: each service in a container, with its stores, behind nginx.
	deploy/compose/mesh.sh up

mesh-down: ## Ends the mesh; what it keeps stays.
	deploy/compose/mesh.sh down

mesh-clean: ## Ends the mesh and removes what it keeps, its secrets too.
	deploy/compose/mesh.sh clean

bench: $(VENV)/dev web/dist/index.html ## Runs the benchmarks and prints their table.
	$(BIN)/python -m benchmarks

soak: $(VENV)/dev ## Makes up hundreds of histories and requests, kills each service of a mesh for SOAK_SECONDS; needs the real servers.
	ALLOCATOR_TEST_RUNS=300 $(BIN)/python -m pytest -v tests/faults/test_whatever_happens.py
	ALLOCATOR_TEST_KINDS=all $(BIN)/python -m pytest -v tests/mesh -k "mesh-process or docker and not mesh-docker"
	ALLOCATOR_TEST_KINDS=all ALLOCATOR_TEST_EXAMPLES=50 $(BIN)/python -m pytest -v tests/mesh/test_openapi_conformance.py
	ALLOCATOR_TEST_VOLUME_GIB=10 $(BIN)/python -m pytest -v tests/mesh/test_volume_memory.py
	ALLOCATOR_TEST_SOAK_SECONDS=$${SOAK_SECONDS:-180} $(BIN)/python -m pytest -v tests/faults/test_mesh_restarted.py

lock: ## Resolves the dependencies anew; needs pip-tools.
	$(BIN)/python tools/lock.py

clean: ## Removes what was built; the data folder stays.
	rm -rf $(VENV) web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: requirements/runtime.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --require-hashes -r requirements/runtime.txt
	$(PIP) install --quiet --require-hashes -r requirements/build.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/runtime | $(VENV)/bin/python
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

WEB_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) web/index.html web/package-lock.json web/vite.config.ts

web/dist/index.html: $(WEB_SOURCES) | $(VENV)/bin/python
	tools/web.sh build
