"""What `sluice check` warns of: rules that cannot match, and grants that nothing bounds."""

from pathlib import Path

import pytest

from gateway.classify.catalog import Catalog
from gateway.policy import expectations, rules
from gateway.policy.review import Doubt, review
from gateway.settings import Settings
from gateway.settings import load as load_settings
from tests.gateway.policy.grants import NOW

CONFIG = Path(__file__).parents[3] / "config"
PROD = '[[database]]\nname = "prod"\nenvironment = "production"\nuser = "u"\n'
DEV = '[[database]]\nname = "dev"\nenvironment = "dev"\nuser = "u"\n'
REST = '[[database]]\nname = "*"\nenvironment = "lab"\nuser = "u"\n'
SETTINGS = load_settings(PROD + DEV, "s", {})
GRANT = '[[grant]]\nname = "g"\nallow = ["read"]\n'
WRITER = '[[grant]]\nname = "w"\nallow = ["write"]\n'
RAIL = '[[guardrail]]\nname = "r"\neffect = "deny"\n'
APPROVAL = '[[approval]]\nname = "a"\napprovers = { users = ["x"] }\n'
TABLES = '[[table]]\nname = "public.people"\ncolumns = { id = "int", email = "text" }\n[[function]]\nname = "public.f"\n'
TEST = '[[test]]\nname = "t"\nuser = "a"\ndatabase = "prod"\nsql = "x"\nexpect = "allow"\n'
CATALOG = expectations.catalog(expectations.load(TABLES + TEST, "t"), [])


def doubts(
    text: str, settings: Settings = SETTINGS, catalogs: dict[str, Catalog] | None = None
) -> list[Doubt]:
    return review(rules.load(text, "p"), settings, catalogs or {}, NOW)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (GRANT + 'databases = ["prdo"]\n', "it can never match: no database"),
        (GRANT + 'environments = ["staging"]\n', "it can never match: no database"),
        (GRANT + 'databases = ["prod"]\nenvironments = ["dev"]\n', "it can never match: no database"),
        (GRANT + 'issuers = ["nobody"]\n', "has none of its issuers"),
        (GRANT + "expires = 2026-05-01T00:00:00Z\n", "it ended on 2026-05-01"),
        (GRANT + 'unmask = ["emial"]\n', 'the label "emial" does nothing: no column can have it'),
        (GRANT + 'unmask = ["unknown"]\n', 'the label "unknown" does nothing: only "*" reaches it'),
        (GRANT + 'unmask = ["people.email"]\n', 'write "schema.table.column"'),
        (RAIL + 'databases = ["prdo"]\nstatements = ["DROP"]\n', "it can never match: no database"),
        (
            RAIL + 'statements = ["DROP USER"]\n',
            'it can never match: no statement has the kind "DROP USER", the nearest is "DROP ROLE"',
        ),
        (
            RAIL + 'statements = ["DROP", "ALTER TABLE DROP COLUM"]\n',
            'no statement has the kind "ALTER TABLE DROP COLUM", the nearest is "ALTER TABLE DROP COLUMN"',
        ),
        (
            RAIL.replace("deny", "warn") + 'environments = ["production"]\nstatements = ["DROP TABLE"]\n',
            '"built-in rules of production" is stricter',
        ),
        (WRITER, 'nothing bounds it in database "dev": it allows write'),
        ('[[mask]]\nlabels = ["card_number"]\n', 'the label "card_number" does nothing'),
        ('[[classify]]\nlabel = "x"\ncolumns = ["people.email"]\n', 'write "schema.table.column"'),
        ('[[mask]]\nlabels = ["card"]\nwith = "partial"\nkeep_last = 6\n', "6 characters would tell too much, 4 stay"),
        ('[[mask]]\nlabels = ["secret", "card"]\nwith = "partial"\nkeep_last = 4\n', '"secret" keeps less than keep_last'),
    ],
)  # fmt: skip
def test_each_doubt_is_told(text: str, what: str) -> None:
    (found,) = doubts(text)
    assert what in found.what
    assert (found.file, found.line) == (("p", 1) if found.rule else ("", 0))
    assert str(found).startswith('p:1: "' if found.rule else found.what)


@pytest.mark.parametrize(
    "text",
    [
        GRANT, GRANT + 'databases = ["prod", "prdo"]\n', GRANT + 'databases = ["*"]\n', GRANT + 'unmask = ["email", "*"]\n',
        GRANT + "expires = 2026-07-01T00:00:00Z\n", GRANT + 'unmask = ["public.people.email", "derived", "free_text"]\n',
        RAIL + 'statements = ["*", "DROP", "ALTER TABLE DROP COLUMN", "COPY TO PROGRAM"]\n',
        RAIL + 'statements = ["DROP"]\nenvironments = ["production"]\n',
        RAIL.replace("deny", "hold") + 'statements = ["DROP"]\n' + APPROVAL,
        RAIL.replace("deny", "hold") + "without_where = true\n" + APPROVAL,
        RAIL + "max_affected_rows = 5\n", APPROVAL,
        '[[classify]]\nlabel = "loyalty"\ncolumns = ["public.people.code"]\n[[mask]]\nlabels = ["loyalty", "card"]\n',
    ],
)  # fmt: skip
def test_what_can_work_raises_no_doubt(text: str) -> None:
    assert doubts(text) == []


def test_an_entry_for_all_databases_takes_every_other_name() -> None:
    settings = load_settings(PROD + REST, "s", {})
    assert doubts(GRANT + 'databases = ["anything"]\n', settings) == []
    assert doubts(GRANT + 'databases = ["anything"]\nenvironments = ["lab"]\n', settings) == []
    (found,) = doubts(GRANT + 'databases = ["anything"]\nenvironments = ["production"]\n', settings)
    assert "never match" in found.what


@pytest.mark.parametrize(
    ("grant", "rail", "bounded"),
    [
        ("", 'statements = ["DELETE"]', True),
        ("", 'statements = ["DELETE"]\nenvironments = ["production"]', False),
        ("", 'statements = ["DELETE"]\ndatabases = ["dev"]', True),
        ('users = ["a"]', 'statements = ["DELETE"]\nusers = ["b"]', False),
        ('users = ["a"]', 'statements = ["DELETE"]\nusers = ["*"]', True),
        ('users = ["a"]', 'statements = ["DELETE"]\ngroups = ["b"]', True),
        ('actors = ["x"]', 'statements = ["DELETE"]\nactors = ["*"]', True),
        ("", 'statements = ["DELETE"]\nactors = ["*"]', False),
        ('databases = ["prod"]', 'statements = ["DELETE"]\nusers = ["b"]', True),
        ("max_affected_rows = 5", 'statements = ["DELETE"]\nusers = ["b"]', True),
        ("max_statements_per_minute = 5\nusers = ['a']", 'statements = ["DELETE"]\nusers = ["b"]', True),
    ],
)
def test_a_grant_of_changes_is_bounded_by_a_guardrail_or_a_limit(grant: str, rail: str, bounded: bool) -> None:
    found = [one for one in doubts(f"{WRITER}{grant}\n{RAIL}{rail}\n") if "never count" not in one.what]
    assert bool(found) != bounded
    assert all("nothing bounds it" in one.what for one in found)


AGENTS = '[[grant]]\nname = "agents"\nactors = ["*"]\nmax_rows_per_hour = 5\n'
NONE_OF_THEIRS = "it can never count: none of its people have a grant of their own there"
NOT_THEMSELVES = "allow: write can never count: none of its people may do so themselves there"


@pytest.mark.parametrize(
    ("agents", "people", "what"),
    [
        ('allow = ["read"]', 'allow = ["read"]', ""),
        ('allow = ["read", "write"]', 'allow = ["read"]', NOT_THEMSELVES),
        ('allow = ["read", "write"]', 'allow = ["all"]\ndatabases = ["prod"]', ""),
        ('allow = ["all"]', 'allow = ["read"]', ""),
        ('allow = ["read"]', 'allow = ["read"]\nactors = ["x"]', NONE_OF_THEIRS),
        ('allow = ["read"]\ndatabases = ["dev"]', 'allow = ["read"]\ndatabases = ["prod"]', NONE_OF_THEIRS),
        ('allow = ["read"]\ngroups = ["a"]', 'allow = ["read"]\ngroups = ["b"]', NONE_OF_THEIRS),
        ('allow = ["read"]\ngroups = ["a"]', 'allow = ["read"]\nusers = ["b"]', ""),
        ('allow = ["read"]', 'allow = ["read"]\nexpires = 2026-05-01T00:00:00Z', NONE_OF_THEIRS),
    ],
)
def test_an_agents_grant_counts_as_far_as_one_of_its_peoples_does(agents: str, people: str, what: str) -> None:
    text = f'{AGENTS}{agents}\n[[grant]]\nname = "people"\nmax_rows_per_hour = 5\n{people}\n'
    found = [one for one in doubts(text) if one.rule == "agents"]
    assert [one.what for one in found] == ([what] if what else [])


def test_a_warning_bounds_nothing() -> None:
    assert doubts(WRITER + RAIL + "without_where = true\n") == []
    (found,) = doubts(WRITER + RAIL.replace("deny", "warn") + "without_where = true\n")
    assert "nothing bounds it" in found.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('tables = ["public.poeple"]', 'it can never match: no database has the table "public.poeple"'),
        ('tables = ["people", "poeple"]', 'no database has the table "poeple"'),
        ('columns = ["people.emial"]', 'it can never match: no database has the column "people.emial"'),
        ('functions = ["sales.f"]', 'it can never match: no database has the function "sales.f"'),
        ('tables = ["peop*"]\ncolumns = ["public.people.email"]\nfunctions = ["f(integer)", "lower"]', ""),
    ],
)
def test_names_are_looked_for_in_the_databases_that_were_reached(text: str, what: str) -> None:
    rail = f"{RAIL}{text}\n"
    found = doubts(rail, catalogs={"prod": CATALOG, "dev": CATALOG})
    assert [one.what for one in found] == ([what] if what else [])
    assert doubts(rail, catalogs={"prod": CATALOG}) == []  # it may be in the other one
    assert len(doubts(rail + 'databases = ["prod"]\n', catalogs={"prod": CATALOG})) == len(found)
    everywhere = load_settings(PROD + REST, "s", {})
    assert doubts(rail, everywhere, {"prod": CATALOG, "*": CATALOG}) == []


def test_columns_of_grants_and_corrections_are_looked_for() -> None:
    text = (
        GRANT + 'unmask = ["public.people.email", "public.people.gone"]\n'
        '[[classify]]\nlabel = "none"\ncolumns = ["public.gone.id", "public.people.id"]\n'
        '[[classify]]\nlabel = "none"\nfunctions = ["public.f(int)", "public.gone()"]\n'
    )
    assert [one.what for one in doubts(text, catalogs={"prod": CATALOG, "dev": CATALOG})] == [
        'unmask: no database has the column "public.people.gone"',
        'classify: no database has the column "public.gone.id"',
        'classify: no database has the function "public.gone()"',
    ]


def test_what_nobody_could_release_is_doubted() -> None:
    rail = '[[guardrail]]\nname = "h"\neffect = "hold"\nstatements = ["UPDATE"]\n'
    assert [one.what for one in doubts(rail)] == ["what it holds is denied: no [[approval]] rule says who releases it"]
    assert not [one for one in doubts(rail + APPROVAL) if "who releases it" in one.what]


def test_an_approval_needs_something_that_holds() -> None:
    dev = load_settings(DEV, "s", {})
    (found,) = doubts(APPROVAL, dev)
    assert "it can never be asked" in found.what
    assert doubts(APPROVAL + RAIL.replace("deny", "hold") + "without_where = true\n", dev) == []


def test_the_shipped_policy_raises_no_doubt() -> None:
    policy = rules.load((CONFIG / "policy.toml").read_text(), "policy.toml")
    settings = load_settings((CONFIG / "sluice.toml").read_text(), "sluice.toml", {})
    assert review(policy, settings, {}, NOW) == []
