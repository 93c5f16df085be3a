# make demo, make test: everything from a clean clone, with no more than
# Python 3.11, 3.12 or 3.13 and this file. uv installs where it is there
# ("make UV= ..." has pip install all the same).
SUITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c '$(SUITS)' 2> /dev/null && echo $$python && break; done)
UV ?= $(shell command -v uv)
VENV ?= .venv
STAMP := $(VENV)/.installed
HASHED := --no-deps --require-hashes -r requirements
ifeq ($(UV),)
INSTALL := $(VENV)/bin/python -m pip install -q --disable-pip-version-check \
	$(HASHED)
else
INSTALL := $(UV) pip install -q --python $(VENV)/bin/python $(HASHED)
endif

.PHONY: install app browser cluster checks docs test lint types ratios \
	mutations demo doctor lock bom audit clean

install: $(STAMP)

# --no-deps: see requirements/lock.in. "setup.py develop": mim finds the
# configs and tools of this folder from any other, and edits take effect.
$(STAMP): requirements/lock.txt setup.py hpnet_plugin/compat/packages.py
	@"$(PYTHON)" -c '$(SUITS)' 2> /dev/null || { \
		echo "Python 3.11, 3.12 or 3.13 is needed, and" \
			"'$(PYTHON)' is none of them: install one or say" \
			"make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Installing the locked packages into $(VENV) (3 GB, minutes) ..."
ifeq ($(UV),)
	$(PYTHON) -m venv $(VENV)
else
	$(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)
endif
	$(INSTALL)/lock.txt
	$(VENV)/bin/python -W ignore setup.py -q develop --no-deps
	@touch $@
	@echo "Installed. $(VENV)/bin/hpnet doctor checks it."

# Gradio, for the page of "hpnet app".
app: $(STAMP)
	$(INSTALL)/app.txt

# What drives the system's Chromium through that page in the tests.
browser: app
	$(INSTALL)/browser.txt

# Ray, object stores and metrics, for work on many machines.
cluster: $(STAMP)
	$(INSTALL)/cluster.txt

# An S3 server, a fuzzer, the bill of materials: for the checks alone.
checks: cluster
	$(INSTALL)/checks.txt

# The locks anew, of the pins in lock.in; needs uv. Ray imports jsonschema, and
# that takes 2 s longer in each of its processes where rfc3987-syntax is there,
# of which nothing here has need.
COMPILE = $(UV) pip compile -q --universal --generate-hashes --no-annotate \
	--no-header --python-version 3.11
lock:
	$(COMPILE) --no-deps requirements/lock.in -o requirements/lock.txt
	$(COMPILE) requirements/app.in -o requirements/app.txt
	$(COMPILE) requirements/browser.in -o requirements/browser.txt
	$(COMPILE) requirements/docs.in -o requirements/docs.txt
	$(COMPILE) requirements/cluster.in -o requirements/cluster.txt
	$(COMPILE) --no-emit-package rfc3987-syntax --no-emit-package lark \
		requirements/checks.in -o requirements/checks.txt

lint: $(STAMP)
	$(VENV)/bin/ruff check .

types: $(STAMP)
	$(VENV)/bin/pyrefly check --python-interpreter-path $(VENV)/bin/python

# The pages of docs/ and the API, into site/; a warning is an error.
docs: $(STAMP)
	$(INSTALL)/docs.txt
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

# A process a core, four at most; a file's tests share what they prepare, and
# files begin in the order of tests/conftest.py.
test: lint types
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n auto \
		--maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Is everything still as many times faster than plain code as it once was?
ratios: $(STAMP)
	OMP_NUM_THREADS=1 $(VENV)/bin/hpnet benchmark ratios

# Do the tests notice defects? Each of tests/mutations/*.toml is made in a copy.
mutations: $(STAMP)
	$(VENV)/bin/python tests/mutations/run.py

# What this installation consists of, the libraries inside wheels included, as
# CycloneDX, and the page of their licences.
bom: app browser checks
	$(INSTALL)/docs.txt
	$(VENV)/bin/python tools/bill_of_materials.py --out bom.json \
		--page docs/licences.md

# Known weaknesses of the locked packages. Needs a network; exit status 3
# (make's is 2) where the advisory service does not answer.
audit: checks
	$(VENV)/bin/python tools/audit.py

demo: $(STAMP)
	$(VENV)/bin/python tools/demo.py

doctor: $(STAMP)
	$(VENV)/bin/hpnet doctor

clean:
	rm -rf build dist *.egg-info hpnet_plugin/.mim
	find . -name __pycache__ -not -path './$(VENV)/*' -prune \
		-exec rm -rf {} +
