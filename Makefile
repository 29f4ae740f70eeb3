# The commands of a working day; `make help` lists them. Everything happens in .venv, nothing is installed system-wide
# except by `make test`, which as root on Debian adds the peers (other DNS servers and clients) the tests talk to.

PYTHON ?= python3
BIN := .venv/bin
LISTEN ?= --listen 127.0.0.1:5300 --listen [::1]:5300
WORKERS_FOR_TESTS ?= 4

ENGINE_SOURCES := $(wildcard src/pippin/engine/*.py src/pippin/engine/*.pyx)
# Everything runs a second time with the uncompiled engine, but for what loads both engines by itself.
LOADS_BOTH := --ignore=tests/agreement --ignore=tests/fuzz

# In the order of the names: by default files with few tests, which are the slow ones, would come last, one by one.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS_FOR_TESTS) --dist loadfile --no-loadscope-reorder --durations 12
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.PHONY: help serve build test peers check bench fuzz clean

help:
	@echo "make serve   build, then serve examples/ on 127.0.0.1:5300 and [::1]:5300"
	@echo "make test    every test, uncompiled and then with the compiled engine"
	@echo "make check   lint, types, floors"
	@echo "make bench   measure against other servers"
	@echo "make fuzz    a short fuzzing run"
	@echo "make clean   remove what was built"

serve: build
	$(BIN)/pippin serve examples $(LISTEN)

build: .venv/.built

.venv/.dependencies: pyproject.toml constraints.txt
	@.ci/requirements $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -U "pip>=25.1" "setuptools>=77"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt --group dev
	@PIPPIN_PURE=1 $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt \
		--no-build-isolation -e ".[fast]"
	@touch $@

# The installation above is editable and leaves the extension modules to this. One that is older than its source
# would shadow it: rebuild before anything runs.
.venv/.built: .venv/.dependencies setup.py $(ENGINE_SOURCES)
	@mkdir -p build
	@$(BIN)/python setup.py -q build_ext --inplace --parallel 2 >build/engine.log 2>&1 || { cat build/engine.log; exit 1; }
	@touch $@

peers:
	@.ci/peers

test: build peers
	PIPPIN_PURE=1 $(PYTEST) $(LOADS_BOTH)
	$(PYTEST)

check: build
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_floors.py

bench: build peers
	$(BIN)/python -m bench

fuzz: build
	$(BIN)/python -m fuzz

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find src -name '*.so' -delete
	find . -name __pycache__ -prune -exec rm -rf {} +
