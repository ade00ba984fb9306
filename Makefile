# make demo and make test do all set-up themselves; nothing else is needed.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# What a change of makes the compiled pass and the installed package out of date.
SOURCES := pyproject.toml setup.py $(wildcard kitecli/hot/*.p[yx][xd] kitecli/hot/*.h kitecli/market/*.pyx kitecli/market/*.h) $(wildcard kitecli/store/*.pyx kitecli/store/*.h)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test check bench instructions wheels soak coverage clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed  ## twenty seconds of simulated market through the real path
	@$(BIN)/kite demo $(ARGS)

# Half of the suite's time is waiting for other processes, so two processors keep four workers busy. A file's tests
# stay together: they share what they start.
PARALLEL := -n 4 --dist loadfile

test: $(VENV)/.installed-dev  ## the whole suite but what builds wheels or runs for minutes
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: $(VENV)/.installed-dev  ## style, types, import directions, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/black --quiet --check .
	$(BIN)/isort --quiet --check-only .
	$(BIN)/flake8 kitecli tests benchmarks setup.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/test_layout.py tests/test_tidy.py

bench: $(VENV)/.installed-dev  ## decode and latency beside the official client's; see docs/benchmarks.md
	$(BIN)/python benchmarks/run.py $(ARGS)

instructions: $(VENV)/.installed-dev  ## instructions a tick, held to benchmarks/instructions.json; needs valgrind
	$(BIN)/python benchmarks/instructions.py $(ARGS)

wheels: $(VENV)/.installed-dev  ## what an install gets, with a compiler and without
	$(BIN)/python -m pytest -m wheels tests/test_packaging.py $(ARGS)

soak: $(VENV)/.installed-dev  ## the tests that run for minutes
	$(BIN)/python -m pytest -m soak $(ARGS)

coverage: $(VENV)/.installed-dev  ## the suite with the floor of pyproject.toml
	$(BIN)/python -m pytest $(PARALLEL) --cov=kitecli --cov-report=term-missing:skip-covered $(ARGS)

clean:
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		.coverage .coverage.* htmlcov kitecli/hot/_hot.c kitecli/market/_scan.c kitecli/store/_log.c kitecli/*/*.so kitecli/*/*.pyd
	find kitecli tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: $(SOURCES) | $(BIN)/python
	@echo "Installing kite into $(VENV) (the first time takes about a minute) …"
	@$(PIP) install -e .
	@touch $@

$(VENV)/.installed-dev: $(SOURCES) | $(BIN)/python
	@echo "Installing kite and its development tools into $(VENV) …"
	@$(PIP) install -e '.[dev,lake]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "kite needs Python 3.11 or later; 'python3 --version' says otherwise." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module is missing. Debian and Ubuntu have it apart: apt-get install python3-venv" >&2; exit 1; }
