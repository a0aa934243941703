"""`sluice policy test`: runs the expectations that stand beside a policy, against made-up tables or the real catalogue."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from gateway.classify.catalog import Catalog
from gateway.errors import ConfigError, ConfigFault, Refusal
from gateway.identity.principal import Principal
from gateway.policy import expectations
from gateway.policy.expectations import Expectation, Expectations
from gateway.policy.rights import Rights
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.settings import Database, Settings
from workers import configuration, explanations
from workers.cli import config_option, fail
from workers.configuration import Loaded

_PATH = ("public",)  # the schemas of PostgreSQL's own search_path that a file's tables can be in


@click.command("test")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
def run_tests(config: str | None, as_json: bool, files: tuple[Path, ...]) -> None:
    """Run policy test files. A file with tables of its own needs no database; another asks the real catalogue."""
    asked = _Asked(configuration.find(config, os.environ), os.environ)
    loaded = [expectations.load(configuration.read_text(file, "FILE"), str(file)) for file in files]
    for tests in loaded:
        asked.check(tests)
    try:
        results = [asked.result(tests, index) for tests in loaded for index in range(len(tests.tests))]
    except Refusal as refusal:
        fail(refusal.refused.message, 1)
    failed = sum(not one["passed"] for one in results)
    passed = len(results) - failed
    if as_json:
        summary = {"passed": passed, "failed": failed, "tests": results}
        click.echo(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode())
    else:
        for one in results:
            for failure in one["failures"]:
                click.echo(f'{one["file"]}:{one["line"]}: "{one["name"]}": {failure}')
        click.echo(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


class _Asked:
    """The policy under test, and what was read for it so far: each database's catalogue once a role."""

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._settings: Settings = configuration.load_policy_settings(file, environ)
        self._policy = PolicyTable(configuration.compile_policy(file, self._settings))
        self._now = time.time()
        self._whole: Loaded | None = None
        self._read: dict[tuple[str, str | None], tuple[Catalog, tuple[str, ...] | None]] = {}
        self._made: dict[str, Catalog] = {}

    def check(self, tests: Expectations) -> None:
        """Raises ConfigError for a test that names what sluice.toml does not have."""
        issuers = {one.name for one in self._settings.issuers}
        for test, line in zip(tests.tests, tests.lines, strict=True):
            if self._settings.database(test.database) is None:
                why = f'sluice.toml has no database "{test.database}"'
                raise ConfigError(ConfigFault(tests.file, line, "database", why, "name one that it has"))
            if test.issuer and test.issuer not in issuers:
                why = f'sluice.toml has no issuer "{test.issuer}"'
                raise ConfigError(ConfigFault(tests.file, line, "issuer", why, "name one that it has"))

    def result(self, tests: Expectations, index: int) -> dict[str, Any]:
        """One test's outcome as JSON has it. Raises Refusal when its database cannot be reached."""
        test = tests.tests[index]
        outcome = self._outcome(tests, test)
        failures = expectations.failures(test, outcome)
        statements = outcome["statements"]
        return {
            "file": tests.file,
            "line": tests.lines[index],
            "name": test.name,
            "passed": not failures,
            "failures": failures,
            "expected": test.expect,
            "decisions": [{"decision": one["decision"], "rules": one["rules"]} for one in statements],
        }

    def _outcome(self, tests: Expectations, test: Expectation) -> dict[str, Any]:
        database = self._settings.database(test.database)
        assert database is not None  # check has looked
        issuer = test.issuer or next((one.name for one in self._settings.issuers), "")
        principal = Principal(test.user, issuer, test.groups, test.actors, self._now, "test")
        rights = explanations.sign_in(self._policy, principal, database, self._now)
        if isinstance(rights, dict):
            return rights
        catalog, search_path = self._catalog(tests, database, rights)
        return explanations.explained(
            Scope(rights, catalog, "", search_path=search_path), test.sql, test.estimated_rows, test.intent
        )

    def _catalog(
        self, tests: Expectations, database: Database, rights: Rights
    ) -> tuple[Catalog, tuple[str, ...] | None]:
        if tests.alone:
            if tests.file not in self._made:
                self._made[tests.file] = expectations.catalog(tests, self._policy.classify)
            return self._made[tests.file], _PATH
        key = database.name, rights.role
        if key not in self._read:
            if self._whole is None:
                self._whole = configuration.load(self._file, self._environ)
            self._read[key] = explanations.read_database(self._whole, database, rights)
        return self._read[key]
