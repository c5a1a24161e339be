# One command per job, on a machine with make and Python 3.11 or newer:
#   make demo    install, and quantize a real text recogniser; the result lies in out/demo
#   make test    install what the tests need, and run them
#   make docs    the documentation as a site, in out/site; every broken link is an error
#   make check   what CI runs: format, lint, types, import layers, tests, the documentation
#   make lowest  the tests, with the lowest version of each requirement, in .venv-lowest
#   make genai   a small decoder's result in OpenVINO GenAI and optimum-intel, in an environment of their own
#   make optimum an encoder's result in optimum-intel, in that environment
# Another Python: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PLUGINS := $(wildcard plugins/*)

.PHONY: help demo test alone together check types docs lowest genai optimum format clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/demo.stamp
	$(BIN)/ovquant demo -o out/demo

# openvino and nncf send usage statistics unless told otherwise: CI is what openvino's telemetry honours, NNCF_CI nncf's.
alone together: export CI := true
alone together: export NNCF_CI := 1
# OpenMP's threads (torch's) spin while they wait, and would take the processors from the tests beside.
together: export OMP_NUM_THREADS := 1

# A test that compares speeds runs alone. Files with few and long tests come first of all others, so that all workers are busy to the
# end; they are more than the cores, since tests wait for processes that start.
ALONE := tests/e2e/test_normal_form.py
LONG := tests/test_wheel.py plugins/ovquant-dask/tests tests/e2e tests/faults tests/cli
OTHERS := $(filter-out $(LONG),$(patsubst %/,%,$(wildcard tests/*/)) $(wildcard tests/test_*.py plugins/*/tests))

test: alone
	$(MAKE) together

alone: $(VENV)/test.stamp
	$(BIN)/python -m pytest $(ALONE)

together: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore $(ALONE) $(LONG) $(filter-out %__pycache__,$(OTHERS))

check: $(VENV)/test.stamp $(VENV)/docs.stamp
	$(BIN)/ruff format --check ovquant tests plugins examples docs
	$(BIN)/ruff check ovquant tests plugins examples docs
	$(BIN)/lint-imports
	$(MAKE) alone
	$(MAKE) -j 2 types docs together

types: $(VENV)/test.stamp
	$(BIN)/mypy
	$(BIN)/mypy $(dir $(wildcard plugins/*/ovquant_*/__init__.py))

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/docs.stamp
	$(BIN)/mkdocs build --strict -q

lowest:
	PYTHON=$(PYTHON) .ci/lowest

genai: $(VENV)/examples.stamp
	$(BIN)/python examples/cases/storyteller.py out/storyteller
	$(BIN)/ovquant quantize out/storyteller/model --data out/storyteller/tales.jsonl --group-by tale --metric agreement \
		--max-drop 5% --optimize size -o out/small --force
	$(BIN)/python examples/applications/with_genai.py out/small

optimum: $(VENV)/examples.stamp
	$(BIN)/python examples/applications/minilm_optimum.py make out/encoder
	$(BIN)/ovquant export out/encoder/result --to optimum:source=out/encoder/trained -o out/encoder/hub --force
	$(BIN)/python examples/applications/minilm_optimum.py load out/encoder

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix ovquant tests plugins examples docs
	$(BIN)/ruff format ovquant tests plugins examples docs

clean:
	rm -rf $(VENV) .venv-lowest out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# A stamp is younger than what it was made from: repeated calls install nothing, a changed pyproject.toml installs again.

$(VENV)/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "ovquant needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one that is: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/demo.stamp: pyproject.toml $(VENV)/venv.stamp
	$(PIP) install -e ".[demo]"
	touch $@

$(VENV)/docs.stamp: $(VENV)/test.stamp
	$(PIP) install -e ".[docs]"
	touch $@

$(VENV)/examples.stamp: $(VENV)/test.stamp
	$(PIP) install -e ".[examples]"
	touch $@

# torch comes first and pinned: as a mere requirement it would be the newest build, which for Linux brings CUDA along
# where the index has no other. Where a CPU build of the same version is on offer (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS),
# pip prefers it, since 2.13.0+cpu counts as the higher one.
$(VENV)/test.stamp: pyproject.toml $(wildcard plugins/*/pyproject.toml) $(VENV)/venv.stamp
	$(PIP) install "torch==2.13.0"
	$(PIP) install -e ".[test]"
	$(PIP) install $(PLUGINS:%=-e ./%)
	touch $@
