# make demo: the whole story on real data.  make test: the tests.  make check: style, types, layers.  make bench: every claim.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

# Real weight files with a manifest, where a checkout has them beside it: the demo's second chapter.
REAL := $(if $(wildcard ../shared/models/manifest.json),--models ../shared/models)

export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -c constraints.txt torch
	$(VENV)/bin/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(VENV)/bin/whosenet demo $(REAL)

test: $(STAMP)
	$(VENV)/bin/python -m pytest -n 2

check: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(STAMP)
	for b in bench/find_*.py; do $(VENV)/bin/python $$b || exit 1; done

clean:
	rm -rf $(VENV) demo-out .mypy_cache .pytest_cache .ruff_cache
