# make app      the demo study at http://127.0.0.1:8501
# make test     every check and test, with a browser
# make bench    the benchmarks, each printing its figures
# make pins     requirements.txt and requirements-test.txt anew, from what .venv holds
# make docs     the table of models in docs/models.md anew
# make clean    remove the environment and what tools left behind

PYTHON ?= python3
PORT   ?= 8501
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: app test browser bench pins docs clean
.NOTPARALLEL:

app: $(VENV)/.app
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(VENV)/.test browser
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

browser: $(VENV)/.test
	@.ci/browser $(BIN)

bench: $(VENV)/.test
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

pins: $(VENV)/.test
	$(BIN)/python .ci/pins.py

docs: $(VENV)/.test
	$(BIN)/python .ci/docs.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find app.py pages gexviz tests benchmarks .ci -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gexviz needs Python 3.11 or newer; give one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.app: requirements.txt pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.test: requirements-test.txt $(VENV)/.app
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-test.txt
	@touch $@
