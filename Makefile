# make demo, make test: everything from a clean clone, with no more than
# Python 3.11 and this file.
PYTHON ?= python3.11
VENV ?= .venv
STAMP := $(VENV)/.installed

.PHONY: install test lint demo doctor clean

install: $(STAMP)

# --no-deps: see requirements/lock.txt. "setup.py develop": mim finds the
# configs and tools of this folder from any other, and edits take effect.
$(STAMP): requirements/lock.txt setup.py
	@command -v $(PYTHON) > /dev/null || { \
		echo "$(PYTHON) is not on the PATH: install Python 3.11 or say" \
			"make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing the locked packages into $(VENV) (3 GB, minutes) ..."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check \
		--no-deps -r requirements/lock.txt
	$(VENV)/bin/python -W ignore setup.py -q develop --no-deps
	@touch $@
	@echo "Installed. $(VENV)/bin/python tools/doctor.py checks it."

lint: $(STAMP)
	$(VENV)/bin/ruff check .

# A process a core, four at most; a file's tests share what they prepare, and
# files begin in the order of tests/conftest.py.
test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto \
		--maxprocesses 4 --dist loadfile --no-loadscope-reorder

demo: $(STAMP)
	$(VENV)/bin/python tools/demo.py

doctor: $(STAMP)
	$(VENV)/bin/python tools/doctor.py

clean:
	rm -rf build dist *.egg-info hpnet_plugin/.mim
	find . -name __pycache__ -not -path './$(VENV)/*' -prune \
		-exec rm -rf {} +
