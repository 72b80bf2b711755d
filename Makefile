# Needs only Python 3.11+, make and git; everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test proof check style types docs audit bench wheel clean

demo: $(VENV)/.installed
	$(BIN)/aisthesis demo --out aisthesis-demo

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

proof: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.installed-dev
	$(MAKE) --no-print-directory --jobs=2 types style docs audit

style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	MYPY_NUM_WORKERS=2 $(BIN)/mypy

# The documentation site, into build/site; whatever is amiss stops it.
docs: $(VENV)/.installed-dev
	$(BIN)/mkdocs build --strict --quiet

# Known holes in the packages we use; with AUDIT_ONLINE=1 it may ask the network.
audit: $(VENV)/.installed-dev
	$(BIN)/python tools/audit.py

# Ours against others, both sides in one run each; then docs/benchmarks.md from their results.
bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/ablation.py
	$(BIN)/python benchmarks/agreement.py
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/forward.py
	$(BIN)/python benchmarks/one_shot.py
	$(BIN)/python benchmarks/occlusion.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/default_study.py
	$(BIN)/python benchmarks/page.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "aisthesis needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev]'
	@# Compiled on all cores, without the packages' own tests; pip would do it on one.
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || true
	@touch $(VENV)/.installed $@

# The distributions, checked, each below 12 MB; needs the network for `build` and `twine`.
wheel: | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build twine
	rm -rf dist && $(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	@! find dist -size +12000k | grep . || { echo "larger than 12 MB"; exit 1; }

clean:
	rm -rf $(VENV) aisthesis-demo build dist
