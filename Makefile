# Each target sets up .venv itself when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint docs bench clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'phonoscope needs Python 3.11 or newer')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[align,praat,hf,captum,ray,web,test,lint,docs,bench]"
	touch $@

demo: $(READY)  ## the paper's three experiments on synthetic talkers, with reports, in runs/demo
	rm -rf runs/demo
	$(BIN)/phonoscope demo --out runs/demo

# One thread: in tests this small, threads spend their time waiting for each other.
test: $(READY)  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check src

docs: $(READY)  ## the documentation, in site/
	$(BIN)/python tools/gallery.py docs
	$(BIN)/zensical build --clean

bench: $(READY)  ## ratios against named peers; the shared recordings are used where they are there
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) site runs .pytest_cache .ruff_cache .hypothesis
