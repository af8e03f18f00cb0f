# Needs Python >= 3.11, make and git; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TYPESCRIPT := service/client/typescript
NODE_INSTALLED := $(TYPESCRIPT)/node_modules/.installed
# Half as many again as cores: tests wait for processes, too.
PYTEST_ARGS ?= -n $(shell expr 3 '*' $$(getconf _NPROCESSORS_ONLN) / 2) --dist loadfile

.PHONY: help serve example test lab chaos bench lint types node types-ts layers openapi messages locks audit demo clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(INSTALLED): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "otp-fallback needs Python >= 3.11; set PYTHON=python3.x")'
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

serve: $(INSTALLED) ## run the service with an embedded Valkey and the Twilio sandbox
	@$(BIN)/otp-fallback serve

example: $(INSTALLED) ## a shop to sign in to, beside make serve; EXAMPLE=--hosted: on our page
	@$(BIN)/python deploy/examples/flask $(EXAMPLE)

demo: $(INSTALLED) ## watch a login survive an outage
	@$(BIN)/otp-fallback demo

test: lint types layers node $(INSTALLED) ## everything that must hold
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lab: $(INSTALLED) ## simulated outages through the real decision: how soon it opens, how seldom in error
	@$(BIN)/python -m tests.lab $(LAB_ARGS)

chaos: $(INSTALLED) ## logins under load while what they need breaks: nothing wrong, nothing lost
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

bench: $(INSTALLED) ## speed and size against a floor measured beside it; needs wrk (BENCH_ARGS=--help)
	@$(BIN)/python -m tests.bench $(BENCH_ARGS)

lint: $(INSTALLED) ## style, and the API's description against the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/otp-fallback openapi | diff -u openapi.yaml - || { echo 'openapi.yaml is not what the code says: make openapi'; exit 1; }

types: $(INSTALLED) ## static types
	@$(BIN)/mypy

node: ## what the tests of the TypeScript types need, where npm is there
	@command -v npm >/dev/null || exit 0; \
	$(MAKE) -s $(NODE_INSTALLED) || echo 'npm could not install them: the tests of the TypeScript types are skipped'

$(NODE_INSTALLED): $(TYPESCRIPT)/package-lock.json
	@npm --prefix $(TYPESCRIPT) ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

types-ts: node ## write the TypeScript types from openapi.yaml
	@npm --prefix $(TYPESCRIPT) run --silent generate

layers: $(INSTALLED) ## imports point downwards
	@$(BIN)/lint-imports

openapi: $(INSTALLED) ## write openapi.yaml from the code
	@$(BIN)/otp-fallback openapi > openapi.yaml

messages: $(INSTALLED) ## bring the message catalogues up to the code
	@$(BIN)/python -m service.messages

locks: $(INSTALLED) ## resolve the locked dependencies anew
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --upgrade pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --upgrade --extra otel --extra client --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	@for lock in build:requirements-build deploy:tests/deploy/tools release:.ci/release; do \
	  $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --upgrade \
	    --group pyproject.toml:$${lock%%:*} -c requirements-dev.lock -o $${lock#*:}.lock || exit; done

audit: $(INSTALLED) ## known vulnerabilities in what is locked, if the package registry knows of any
	@$(BIN)/python .ci/audit.py

clean: ## remove what was installed and made, the data folder excepted
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
