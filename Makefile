# Everything happens in environments of the project's own: .venv (with Airflow) and .venv-core (without).
PYTHON ?= python3
ENV := .venv
CORE := .venv-core
UV := $(ENV)/bin/uv
INSTALL := pip install --quiet --constraint constraints.txt
SOURCES := airflow_cloudact_notify tests demo example_dags gallery scenarios benchmarks load campaign

.DEFAULT_GOAL := help
.PHONY: help demo gallery golden scenarios load campaign bench bench-smoke test test-core test-airflow test-standalone check \
	format constraints clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: $(ENV)/.ready ## Run a real Airflow and watch tenants' messages arrive
	$(ENV)/bin/python -m demo

gallery: $(ENV)/.ready ## Photograph the messages for docs/gallery (needs chromium)
	$(UV) pip install --quiet --python $(ENV) "pillow>=12"
	$(ENV)/bin/python -m gallery

golden: $(CORE)/.ready ## Rewrite the golden files from what is rendered now; look at the difference
	$(CORE)/bin/python -m pytest tests/core/formats/test_golden.py --update-golden

scenarios: $(ENV)/.ready ## Kill and stop parts of a real Airflow, and count what is told (ten minutes)
	$(ENV)/bin/python -m scenarios --write-docs

load: $(ENV)/.ready ## Let many processes report one incident at one moment (an hour)
	$(ENV)/bin/python -m load.claims
	$(ENV)/bin/python -m load.killed
	$(ENV)/bin/python -m load.rows
	$(ENV)/bin/python -m load.mapped
	$(ENV)/bin/python -m load.gates
	$(ENV)/bin/python -m load.delivery

campaign: $(CORE)/.ready ## Send 2,000 notifications to servers that misbehave, and balance the books (three minutes)
	$(CORE)/bin/python -m campaign

bench: $(ENV)/.ready ## Measure us beside the official notifiers and the bare protocols (six minutes)
	$(ENV)/bin/python -m benchmarks --write-docs

bench-smoke: $(ENV)/.ready ## See that the benchmarks work, without measuring (half a minute)
	$(ENV)/bin/python -m benchmarks --smoke
	$(ENV)/bin/python -m benchmarks.soak --count 100

test: test-core test-airflow bench-smoke test-standalone ## Run every test

test-core: $(CORE)/.ready ## Test the engine where Airflow is not installed
	$(CORE)/bin/python -m pytest tests/core tests/cli $(wildcard tests/test_*.py)

test-airflow: $(ENV)/.ready ## Test the Airflow side through Airflow's own code
	$(ENV)/bin/python -m pytest tests/airflow tests/cli/test_commands.py tests/cli/test_schema.py tests/test_docs.py -m "not standalone"

test-standalone: $(ENV)/.ready ## Test on a real Airflow: scheduler, DAG processor, API server, triggerer
	$(ENV)/bin/python -m pytest tests/airflow -m standalone

check: $(ENV)/.ready $(CORE)/.ready ## Check format, lint, rooms and types, and that the wheel is whole
	$(ENV)/bin/ruff format --check $(SOURCES)
	$(ENV)/bin/ruff check $(SOURCES)
	$(ENV)/bin/lint-imports
	$(ENV)/bin/mypy airflow_cloudact_notify
	rm -rf build dist
	$(UV) build --quiet --wheel && rm -rf *.egg-info
	$(UV) pip install --quiet --no-deps --target build/wheel dist/*.whl
	PYTHONPATH=build/wheel $(CORE)/bin/python tests/check_wheel.py

format: $(ENV)/.ready ## Format the code
	$(ENV)/bin/ruff check --fix --quiet $(SOURCES) || true
	$(ENV)/bin/ruff format $(SOURCES)

constraints: $(ENV)/.ready ## Pin the newest versions that fit together
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --all-extras \
		--custom-compile-command "make constraints" setup.cfg --output-file constraints.txt

clean: ## Remove environments and whatever was built
	rm -rf $(ENV) $(CORE) .demo .scenarios .load build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache

# An editable install leaves its metadata beside the package, where Airflow would find the provider a second time.
$(ENV)/.ready: setup.cfg constraints.txt
	$(PYTHON) -m venv $(ENV)
	$(ENV)/bin/python -m $(INSTALL) uv
	$(UV) $(INSTALL) --python $(ENV) --editable '.[dev]'
	rm -rf *.egg-info
	touch $@

$(CORE)/.ready: $(ENV)/.ready tests/requirements-core.txt
	$(PYTHON) -m venv $(CORE)
	$(UV) $(INSTALL) --python $(CORE) --requirement tests/requirements-core.txt
	$(UV) pip install --quiet --python $(CORE) --no-deps --editable .
	rm -rf *.egg-info
	touch $@
