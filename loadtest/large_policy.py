"""Policies of any size, and what they cost: to read and compile, to make a table of, to sign in and to decide under."""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from deciding import CUSTOMERS, cost

from gateway.classify.catalog import Catalog
from gateway.classify.draft import ColumnRow, RelationRow
from gateway.classify.snapshot import build
from gateway.identity.principal import Principal
from gateway.policy import rules
from gateway.policy.compile import compile
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.settings import Settings
from gateway.settings import load as load_settings
from parser.statements import read

COLUMNS = 50  # of one table
NAMES = ("email", "phone", "ssn", "card_number", "first_name", "last_name", "iban", "birth_date", "street", "salary")
SETTINGS = '[[database]]\nname = "bench"\nenvironment = "development"\nuser = "bench"\n'
SHAPES = 2000


@dataclass(frozen=True)
class Size:
    """Of a policy: guardrails, grants, and columns with a label of their own."""

    rails: int
    grants: int
    labels: int

    def __str__(self) -> str:
        return f"{self.rails:,} rules, {self.grants:,} grants, {self.labels:,} labelled columns"


SMALL, LARGE = Size(10, 10, 100), Size(10_000, 1_000, 100_000)


def text(size: Size) -> str:
    """policy.toml: guardrails on tables, columns, functions, kinds and wildcards; grants to groups; corrections by table."""
    watched = (
        'tables = ["public.table_{n}"]', 'columns = ["public.table_{n}.email_{n}"]', 'functions = ["app.function_{n}"]',
        'statements = ["UPDATE"]\ntables = ["sales.orders_{n}"]', 'tables = ["archive_{n}_*"]',
    )  # fmt: skip
    parts = [
        f'[[grant]]\nname = "grant {n}"\ngroups = ["group{n}"]\ndatabases = ["bench"]\nallow = ["read"]\n'
        f'granted_by = "lead@example.com"\nreason = "TICKET-{n}"\n'
        for n in range(size.grants)
    ]
    parts += [
        f'[[guardrail]]\nname = "rule {n}"\nenvironments = ["development"]\n{watched[n % len(watched)].format(n=n)}\n'
        f'effect = "deny"\nmessage = "Ask team {n % 40}."\n'
        for n in range(size.rails)
    ]
    for table in range(size.labels // COLUMNS):
        columns = ", ".join(f'"public.table_{table}.{NAMES[n % len(NAMES)]}_{n}"' for n in range(COLUMNS))
        parts.append(f'[[classify]]\ncolumns = [{columns}]\nlabel = "email"\n')
    return "\n".join(parts)


def catalogue(columns: int) -> Catalog:
    """A database with so many columns, labelled by their names, and `customers`, of which statements speak."""
    relations = [RelationRow(16384 + n, "public", f"table_{n}", "r") for n in range(columns // COLUMNS)]
    rows = [
        ColumnRow(one.oid, n + 1, f"{NAMES[n % len(NAMES)]}_{n}", 25, False, "25/-1", "text", "S", "", "")
        for one in relations
        for n in range(COLUMNS)
    ]
    relations.append(RelationRow(16000, "public", "customers", "r"))
    rows += [
        ColumnRow(16000, n, name, 25, False, "25/-1", "text", "S", "", "") for n, name in enumerate(CUSTOMERS, 1)
    ]
    return build(1, relations, rows, [], [], [], {}, read)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


class Policy:
    """One policy and one catalogue, and what each step took."""

    def __init__(self, size: Size) -> None:
        settings: Settings = load_settings(SETTINGS, "sluice.toml", {})
        written = text(size)
        self.took: dict[str, list[float]] = {}
        self.time("policy.toml read, checked and compiled, s", lambda: self._compile(written, settings))
        self.time("its table made in a worker, s", lambda: self._make(settings))
        self.time("the catalogue built of what the server answered, s", lambda: self._catalogue(size))

    def time(self, what: str, work: Callable[[], object]) -> None:
        """Keeps what the step takes."""
        self.took.setdefault(what, []).append(seconds(work))

    def _compile(self, written: str, settings: Settings) -> None:
        self._compiled = compile([rules.load(written, "policy.toml")], settings)

    def _make(self, settings: Settings) -> None:
        self._table = PolicyTable(self._compiled)
        self._table.prepare(settings.databases)

    def _catalogue(self, size: Size) -> None:
        self._catalog = catalogue(size.labels)

    def sign_ins(self) -> float:
        """Microseconds to work out the rights of somebody whom no sign-in before was like."""
        people = [Principal(f"ann{n}", "local", ("staff", f"group{n % 10}"), (), 9e9, "t") for n in range(1000)]
        return seconds(lambda: [self._rights(one) for one in people]) / len(people) * 1e6

    def _rights(self, one: Principal):  # type: ignore[no-untyped-def]
        return self._table.rights(one, "bench", "development", 0.0, 1)

    def scope(self) -> Scope:
        """That of somebody with one grant, without anything remembered."""
        person = Principal("ann", "local", ("staff", "group1"), (), 9e9, "t")
        return Scope(self._rights(person), self._catalog, "", search_path=("public",))

    def round(self) -> None:
        """Each of what a statement costs, once more."""
        shapes = [b"SELECT id, name AS n%d, city FROM customers WHERE id = $1" % n for n in range(SHAPES)]
        literal = [b"SELECT id, name, city FROM customers WHERE id = %d" % n for n in range(10 * SHAPES)]
        warm = self.scope()
        warm.script(literal[0])
        warm.script(shapes[0])
        self.took.setdefault("rights at sign-in, µs", []).append(self.sign_ins())
        for what, work, texts in (
            ("a statement seen before, µs", warm.script, shapes[:1] * len(literal)),
            ("its shape seen before, µs", warm.script, literal),
            ("a new statement read and decided, µs", self.scope().script, shapes),
        ):
            self.took.setdefault(what, []).append(cost(work, texts))


def measured(rounds: int) -> list[tuple[str, list[float], list[float]]]:
    """What each step takes under the small policy and the large one, in interleaved rounds."""
    small, large = Policy(SMALL), Policy(LARGE)
    for turn in range(rounds):
        for policy in (small, large) if turn % 2 else (large, small):
            policy.round()
    return [(what, small.took[what], figures) for what, figures in large.took.items()]


def ratio(small: list[float], large: list[float]) -> float:
    return statistics.median(large) / statistics.median(small)
