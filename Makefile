# The two commands people need are `make demo` and `make test`; everything else serves them.
PYTHON ?= python3
VENV   := .venv
WORKERS ?= 2
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export PIP_NO_INPUT := 1
# Small matrices: a second thread of the linear algebra mostly waits in a loop, and the tests use both cores anyway.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help demo test format lint types imports unit module-1 module-2 module-3 module-4 only-1 only-2 only-3 only-4 docs wheel sbom bench clean

help:
	@grep -E '^## ' $(MAKEFILE_LIST) | sed 's/^## //'

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('$(PYTHON) is Python ' + sys.version.split()[0] + ', 3.11 is needed; give another: make PYTHON=python3.11 …')"
	$(PYTHON) -m venv $(VENV)

# torch comes first and by its exact version, so that no other package can pull a CUDA build of it.
$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing what the demo needs (once, a few minutes)…"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing what the tests need (once)…"
	@$(PIP) -e '.[dev]'
	@touch $@

## make demo      install, run the whole pipeline on the embedded world, end with a verdict and a report
demo: $(VENV)/.demo
	@$(BIN)/decot run --profile demo; code=$$?; \
	if [ $$code -eq 0 ] || [ $$code -eq 3 ] || [ $$code -eq 4 ]; then exit 0; else exit $$code; fi

## make test      install, then format, lint, types, import contracts, unit tests, the four modules in order
test: module-4

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

## make format    rewrite the code in the house's format
format: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(VENV)/.dev
	@$(BIN)/mypy

imports: $(VENV)/.dev
	@$(BIN)/lint-imports

unit: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/unit -n $(WORKERS) --dist loadfile

# A module opens only when the one before it has passed; only-N runs one module alone (CI chains them by `needs`).
only-1: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/acceptance/module_1_ingestion
only-2: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/acceptance/module_2_enrichment
only-3: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/acceptance/module_3_training
only-4: $(VENV)/.dev
	@$(BIN)/python -m pytest tests/acceptance/module_4_gates_and_live
	@$(BIN)/python -m benchmarks.faults --profile quick --json

module-1: lint types imports unit
	@$(MAKE) --no-print-directory only-1
module-2: module-1
	@$(MAKE) --no-print-directory only-2
module-3: module-2
	@$(MAKE) --no-print-directory only-3
module-4: module-3
	@$(MAKE) --no-print-directory only-4

## make docs      build the site into build/site, strictly and without a network
docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

## make wheel     build the wheel and the source archive into dist/
wheel: $(VENV)/bin/python
	@$(PIP) 'setuptools>=77'
	@rm -rf build/lib build/bdist.*
	@$(BIN)/python -c "import setuptools.build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')" >/dev/null
	@rm -rf *.egg-info # it would hide what is installed from whoever runs here
	@ls -1 dist/decot-*

## make sbom      what is installed, as a CycloneDX bill of materials: dist/decot.cdx.json
sbom: $(VENV)/.dev
	@$(BIN)/python -m deployments.sbom --out dist/decot.cdx.json

$(VENV)/.bench: $(VENV)/.dev
	@echo "installing the peers we are measured against (once)…"
	@$(PIP) -e '.[bench]'
	@$(PIP) --no-deps hftbacktest==2.4.4 gym-trading-env==0.3.5
	@touch $@

## make bench     the cheap benchmarks against their peers, each a ratio in one run; then the table of docs/benchmarks.md
bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks --run cheap
	@$(BIN)/python -m benchmarks --table docs/benchmarks.md

## make clean     remove the environment and everything the runs have left
clean:
	rm -rf $(VENV) .decot build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
