# make help      says what there is. Works from any folder with make -C, and any number of times.
.DEFAULT_GOAL := help
.PHONY: help demo study test test-all lint handout clean

PYTHON ?= python3
VENV := .venv
DATA ?= data
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s%s\n", $$1, $$2}' Makefile

demo: $(INSTALLED) ## pretraining shown to matter: the whole experiment on a small invented world, in ten minutes
	@$(RUN) src/demo.py

study: $(INSTALLED) ## how much a model can know, and how it comes to: six small studies (docs/studies.md)
	@for name in exposures wordings guessing reversal capacity forgetting; do \
		$(RUN) src/study.py $$name --out studies || exit; done

test: $(INSTALLED) ## the tests, in a few minutes
	@$(RUN) -m pytest -n 2

test-all: $(INSTALLED) ## the slow tests, too
	@$(RUN) -m pytest -m ""

lint: $(INSTALLED) ## ruff
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

handout: $(INSTALLED) ## for teachers: what a student gets, with data/ or DATA="worlds/*", in handouts/ (docs/teaching.md)
	@$(RUN) tests/autograder/handout.py $(DATA) --out handouts

clean: ## removes the virtual environment and what the demo wrote
	rm -rf $(VENV) demo expt/*/demo_rope-*

# An interrupted installation is taken up again; an existing environment is used as it is where it fits.
$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
