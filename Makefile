# Everything runs in .venv, which is built from the lock files on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check bench format lock clean help
.DEFAULT_GOAL := help

help:
	@echo "make run     serve on http://127.0.0.1:8765, or another PORT=8766, and print what to open"
	@echo "make test    run every test; installs the servers they need where it may"
	@echo "make check   format, lint and type checks"
	@echo "make bench   the benchmarks"

run: $(VENV)/.run
	@$(BIN)/media-gateway serve --transport http $(if $(PORT),--port $(PORT))

test: $(VENV)/.dev
	@sh scripts/test_servers.sh chromium chromium-driver
	@sh scripts/test_clients.sh
	@sh scripts/semantic.sh
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/reference.py --check

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.dev
	sh scripts/lock.sh

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.run: requirements/run.txt pyproject.toml
	@sh scripts/environment.sh "$(PYTHON)" $(VENV) run
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml
	@sh scripts/environment.sh "$(PYTHON)" $(VENV) dev
	@touch $@ $(VENV)/.run
