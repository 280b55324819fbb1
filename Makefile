# Everything a fresh machine with Python 3.11, Node 20 and make needs: each target sets up what is missing first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 7071
STORAGE_PORT ?= 10000
DATA ?= .local
OUT ?= out
CHECKPOINTS ?= checkpoints/bridge

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
STORAGE := node_modules/.installed
INSTALLED := $(VENV)/.installed
INSTALLED_GPU := $(VENV)/.installed-gpu
INSTALLED_TRAINING := $(VENV)/.installed-training

# Without this, torch's and numpy's threads spin while they wait, and starve whatever else runs.
export OMP_WAIT_POLICY := passive

.DEFAULT_GOAL := help
.PHONY: help setup setup-gpu run serve test check format bench train-bridge check-infra costs capacity verify-deployment clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(INSTALLED) $(STORAGE) ## Install Python packages into .venv and Azurite into node_modules

setup-gpu: $(INSTALLED_GPU) ## Install what a worker needs to separate and to generate with models, on a GPU or a CPU, into .venv

run: setup ## Make three stems, from the request to the signed callback, and leave them in out/
	@$(BIN)/python -m local run --out $(OUT)

serve: setup ## Keep the API up on PORT (7071), storage on STORAGE_PORT (10000) and the two after it, data in DATA (.local)
	@exec $(BIN)/python -m local serve --port $(PORT) --storage-port $(STORAGE_PORT) --data $(DATA)

test: setup ## Run every test
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

check: setup ## Check format, lint, types and import rules
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup $(VENV)/.bench ## Measure, and write bench.md
	@$(BIN)/python -m bench

train-bridge: $(INSTALLED_TRAINING) ## Train a bridge model on the music in DATA into CHECKPOINTS, and upload it as UPLOAD; options in ARGS
	@test "$(origin DATA)" != file -a -n "$(DATA)" || { echo "name a folder of music: make train-bridge DATA=FOLDER"; exit 2; }
	@exec $(BIN)/python -m training "$(DATA)" --out "$(CHECKPOINTS)" $(if $(UPLOAD),--upload "$(UPLOAD)") $(ARGS)

check-infra: setup ## Check what deploys it: Bicep, images, Compose, Kubernetes, workflows; and print the plan
	@$(BIN)/python -m infra.checks

costs: setup ## What it costs in Azure, from 1 to 1,000,000 jobs a day
	@$(BIN)/python -m infra.costs $(ARGS)

capacity: setup ## Simulate how long jobs wait for a GPU, and what it costs
	@$(BIN)/python -m infra.capacity $(ARGS)

verify-deployment: setup ## Try an installation from end to end: URL=https://…
	@$(BIN)/python -m infra.verify $(if $(URL),$(URL),$(error name it: make verify-deployment URL=https://…)) $(ARGS)

clean: ## Remove what setup, run and serve made
	rm -rf $(VENV) node_modules .local out

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "Python 3.11 to 3.13 is needed; name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED_GPU): constraints.txt requirements.txt requirements-gpu.txt requirements-gpu-nodeps.txt | $(BIN)/python
	@echo "installing what runs models into $(VENV) …"
	@$(PIP) -r requirements.txt -r requirements-gpu.txt
	@$(PIP) --no-deps -r requirements-gpu-nodeps.txt
	@touch $@

$(INSTALLED_TRAINING): $(INSTALLED_GPU) requirements-training.txt
	@$(PIP) -r requirements-training.txt
	@touch $@

$(INSTALLED): $(INSTALLED_GPU) requirements-dev.txt requirements-training.txt requirements-infra.txt requirements-conformance.txt
	@echo "installing Python packages into $(VENV) …"
	@$(PIP) -r requirements-dev.txt
	@$(PIP) --no-deps --ignore-requires-python -r requirements-conformance.txt
	@touch $@

$(STORAGE): package.json package-lock.json
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null \
		|| { echo "Node.js 20 or newer is needed, for the storage emulator Azurite"; exit 1; }
	@echo "installing Azurite into node_modules …"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(INSTALLED)
	@$(PIP) -r requirements-bench.txt
	@touch $@
