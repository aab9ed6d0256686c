PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
# One thread per process: the tests run in two processes, and small transforms gain nothing from threads.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help setup test lint types docs validate picture benchmarks clean

help:
	@echo "make validate    train networks and hold them against the predictions (reports in out/)"
	@echo "make test        lint, types, documentation and all tests"
	@echo "make docs        the documentation alone, in docs/_build/html"
	@echo "make picture     draw the picture of the README again"
	@echo "make benchmarks  what is fast, and by how much"
	@echo "make clean       remove the environment and everything built"

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) here: install Python 3.11 or later"; exit 2; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name it with PYTHON=..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[harness,docs,dev]'
	touch $@

setup: $(STAMP)

test: lint types docs
	$(THREADS) $(BIN)/python -m pytest --numprocesses 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

validate: $(STAMP)
	$(BIN)/harness validate --output out/validation-$$(date +%Y%m%d-%H%M%S)

picture: $(STAMP)
	rm -rf out/picture
	$(BIN)/harness run harness/experiments/fourier-features-1d.toml --output out/picture
	mkdir -p docs/images
	cp out/picture/pictures/spectra.png docs/images/validation.png

benchmarks: $(STAMP)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv docs/_build *.egg-info
