# Everything is made in the checkout: .venv/ for Python, tests/live/node/node_modules/ for the one client that needs node.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made
NODE_DIR := tests/live/node
KEEP ?= 0
ARGS ?=

.PHONY: env demo test oracle bench bench-asking bench-bulk bench-classifying bench-deciding bench-holding bench-idle bench-lexing \
	bench-recording bench-scaling bench-signing-in bench-strangers bench-verifying load load-reach storm lint clean

env: $(STAMP)

# uv where it is installed, because it is quick; else the standard library's venv and pip. Both may run again at any time.
# It also compiles the hot modules (setup.py), so it runs again when one of them changes; SLUICE_PURE=1 leaves them interpreted.
COMPILED := $(shell sed -n 's/^    "\(.*\.py\)",$$/\1/p' setup.py)
$(STAMP): pyproject.toml setup.py $(COMPILED) $(NODE_DIR)/package-lock.json
	@find parser gateway workers -name '*.so' -delete; rm -rf build
	@if command -v uv >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --quiet .venv; \
		uv pip install --quiet --python $(BIN)/python -e '.[test,demo,load,bench,fleet]'; \
	else \
		test -x $(BIN)/pip || $(PYTHON) -m venv .venv; \
		$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,demo,load,bench,fleet]'; \
	fi
	@if command -v npm >/dev/null 2>&1; then cd $(NODE_DIR) && npm ci --silent; \
	else echo 'node is not installed: the test of its client will be skipped'; fi
	@if ! command -v chromium >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && test "$$(id -u)" = 0; then \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true; fi
	@command -v chromium >/dev/null 2>&1 || echo 'chromium is not installed: the tests in a browser will be skipped'
	@touch $@

demo: env
	@$(BIN)/sluice demo $(if $(filter-out 0,$(KEEP)),--keep)

# Three processes share the tests, on two cores: much of the time of the live ones is waiting. `ARGS="-n 0"` runs all in one.
test: env
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

# Against PostgreSQL itself: its regression SQL is fetched first (from the mirror of this machine's apt) and kept in
# .cache/, out of the project. What `make test` skips without it runs here.
oracle: env
	@$(BIN)/python tests/oracle/regression.py
	@$(BIN)/python -m pytest tests/oracle $(ARGS)

lint: env
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

# The measurement of record: direct, pgbouncer, Sluice side by side. ARGS=--short for a quick look, ARGS="--only tpcb,tls" for some
# sections, ARGS=--record puts them in bench.md.
bench: env
	@$(BIN)/python loadtest/bench.py $(ARGS)

# Large results: masked, unmasked, COPY, wide rows, free text; memory. ARGS=--record puts the table in bench.md.
bench-bulk: env
	@$(BIN)/python loadtest/bulk.py $(ARGS)

# Sign-ins a second, a section of `make bench` by itself. ARGS=--short for a quick look, ARGS=--record puts it in bench.md.
bench-signing-in: env
	@$(BIN)/python loadtest/bench.py --only signing-in $(ARGS)

# What 10,000 sign-ins a minute that fail cost those who are in. ARGS=--short for a quick look; --record for bench.md.
bench-strangers: env
	@$(BIN)/python loadtest/strangers.py $(ARGS)

# Tokenizers side by side, one core. ARGS=--record puts the table in bench.md.
bench-lexing: env
	@$(BIN)/python loadtest/lexing.py $(ARGS)

# What deciding a statement costs, one core. ARGS=--record puts the table in bench.md.
bench-deciding: env
	@$(BIN)/python loadtest/deciding.py $(ARGS)

# Questions to a large audit trail, with and without its index. ARGS=--record puts the table in bench.md.
bench-asking: env
	@$(BIN)/python loadtest/asking.py $(ARGS)

# How well sensitive columns are found, and beside presidio where `pip install -e '.[peers]'` put it. ARGS=--record for bench.md.
bench-classifying: env
	@$(BIN)/python loadtest/classifying.py $(ARGS)

# What thousands of idle sessions cost, and what active ones notice of them. ARGS=--short for a quick look; --record for bench.md.
bench-idle: env
	@$(BIN)/python loadtest/idle.py $(ARGS)

# What statements cost that wait for people, and how soon a decision lets them go. ARGS=--short, ARGS=--record.
bench-holding: env
	@$(BIN)/python loadtest/holding.py $(ARGS)

# How many records a second `sluice audit verify` proves. ARGS=--record puts the table in bench.md.
bench-verifying: env
	@$(BIN)/python loadtest/verifying.py $(ARGS)

# How costs grow with the policy, statements, results, sessions and workers. ARGS=--record: bench.md and docs/images.
bench-scaling: env
	@$(BIN)/python loadtest/scaling.py $(ARGS)

# How many audit records a second a worker writes. ARGS=--record puts the table in bench.md.
bench-recording: env
	@$(BIN)/python loadtest/recording.py $(ARGS)

# Locust's users at work on the demo, or where SLUICE_DSN points (docs/load.md); the report is var/load/report.html.
# ARGS="--users 100 --seconds 60", ARGS=--web for locust's page, ARGS="Analyst SlowReader" for some of the users.
load: env
	@$(BIN)/python loadtest/load.py $(ARGS)

# How much one process of locust asks beside pgbench. ARGS=--record puts the table in bench.md.
load-reach: env
	@$(BIN)/python loadtest/reach.py $(ARGS)

# The long runs of the fault tests, far above what a change needs to pass.
storm: env
	@SLUICE_STORM_SECONDS=$${SLUICE_STORM_SECONDS:-30} SLUICE_STORM_CLIENTS=$${SLUICE_STORM_CLIENTS:-200} \
		$(BIN)/python -m pytest --timeout 600 -s tests/live/test_kill.py tests/live/test_cancel.py $(ARGS)
	@SLUICE_STORM_SECONDS=$${SLUICE_STORM_SECONDS:-60} SLUICE_STORM_CLIENTS=$${SLUICE_STORM_CLIENTS:-60} \
		$(BIN)/python -m pytest --timeout 900 -s tests/live/test_audit_storm.py $(ARGS)
	@SLUICE_AUDIT_SEEDS=$${SLUICE_AUDIT_SEEDS:-10000} $(BIN)/python -m pytest --timeout 900 -n 2 tests/sim/test_audit_path.py $(ARGS)
	@SLUICE_STORM_SECONDS=30 $(BIN)/python -m pytest --timeout 1200 -s tests/live/test_corpus.py -k spelling $(ARGS)
	@SLUICE_FLEET_SEEDS=$${SLUICE_FLEET_SEEDS:-300} $(BIN)/python -m pytest tests/sim/test_fleet_decisions.py $(ARGS)
	@SLUICE_NOTARY_SEEDS=$${SLUICE_NOTARY_SEEDS:-2000} $(BIN)/python -m pytest tests/workers/test_notary_histories.py $(ARGS)

clean:
	find . -maxdepth 4 -name '*.so' -not -path './.venv/*' -delete
	rm -rf .venv .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache $(NODE_DIR)/node_modules
