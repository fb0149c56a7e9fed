# Greekdesk. `make run` and `make test` work on a bare machine with git, make and python3 ≥ 3.11.
PYTHON ?= python3
PORT ?= 8000
CHAIN ?=
SEED ?=
ARGS ?=
# exec: a signal to make reaches the program itself, not a shell around it.
SETUP := exec $(PYTHON) config/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help run test check bench lighthouse containers audit lock install setup clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Serve the live demo desk on 127.0.0.1 (PORT=8000 CHAIN=recorded.json SEED=7)
	@$(SETUP) run --port "$(PORT)" --chain "$(CHAIN)" --seed "$(SEED)"

test: ## Run all tests: on SQLite with coverage, then those of the database on PostgreSQL
	@$(SETUP) test $(ARGS)

check: ## Lint, format, types, templates, migrations, deployment, import direction, secrets
	@$(SETUP) check $(ARGS)

bench: ## Run the benchmarks and compare them with their bars
	@$(SETUP) bench $(ARGS)

lighthouse: ## Measure every page of the desk that runs on PORT (needs npm; NAME and PASSWORD of staff)
	@$(SETUP) lighthouse "http://127.0.0.1:$(PORT)"

containers: ## Build the images and run, kill and stop every container (needs docker, as root)
	@$(SETUP) containers $(ARGS)

audit: ## Check the locked packages for known vulnerabilities (needs a network)
	@$(SETUP) audit $(ARGS)

lock: ## Resolve the dependencies again into hashed locks
	@$(SETUP) lock

install: ## Install what production runs and stop
	@$(SETUP) install

setup: ## Install everything for development and stop
	@$(SETUP) setup

clean: ## Remove the environment, the front-end files and the embedded data
	@$(SETUP) clean
