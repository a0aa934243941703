"""policy.toml: every key of the contract, and nonsense caught with its mend."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.policy.rules import Policy, kept_at_most, load, merge

WHOLE = """
[[grant]]
name = "analysts read production"
users = []
groups = ["analysts"]
actors = []
databases = ["prod"]
allow = ["read"]
role = "app_ro"
unmask = ["email", "public.customers.phone"]
granted_by = "dba-lead@example.com"
reason = "TICKET-1234"
not_before = 2026-01-01T00:00:00Z
expires = 2027-01-01T00:00:00Z
max_rows_per_hour = 1000000
max_bytes_per_hour = 1000000
max_statements_per_minute = 60
max_statement_seconds = 60
max_affected_rows = 1000

[[guardrail]]
name = "no destructive DDL in production"
environments = ["production"]
statements = ["drop", "TRUNCATE", "ALTER  TABLE DROP COLUMN"]
effect = "deny"
message = "Ask the data platform team."

[[guardrail]]
name = "careful"
users = ["a"]
groups = ["b"]
actors = ["*"]
databases = ["prod"]
without_where = true
tables = ["public.customers"]
columns = ["customers.email"]
functions = ["public.f"]
effect = "hold"

[[guardrail]]
name = "large"
min_estimated_rows = 100000
effect = "warn"

[[guardrail]]
name = "small steps"
statements = ["DELETE"]
functions = ["public.f(integer)"]
max_affected_rows = 100
effect = "deny"

[[approval]]
name = "production writes"
approvers = { groups = ["dba"] }
channels = ["console", "slack:#db-approvals", "webhook:okta"]
wait_seconds = 300
remember_seconds = 900

[[classify]]
columns = ["public.customers.loyalty_code"]
label = "none"

[[classify]]
functions = ["public.order_total(integer)"]
label = "salary"

[[mask]]
labels = ["card"]
with = "partial"
keep_last = 4

[[record_keys]]
tables = ["public.orders"]
labels = ["salary"]
"""
GRANT = '[[grant]]\nname = "g"\nallow = ["read"]\n'
RAIL = '[[guardrail]]\nname = "r"\neffect = "deny"\n'


def read(text: str) -> Policy:
    return load(text, "policy.toml")


def outcome(text: str) -> Policy | ConfigError:
    try:
        return read(text)
    except ConfigError as error:
        return error


def test_every_key_of_the_contract_is_read() -> None:
    policy = read(WHOLE)
    grant = policy.grants[0]
    assert grant.role == "app_ro"
    assert grant.expires == datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
    assert grant.max_affected_rows == 1000
    assert policy.guardrails[0].statements == ("DROP", "TRUNCATE", "ALTER TABLE DROP COLUMN")
    assert policy.guardrails[1].columns == ("customers.email",)
    assert policy.guardrails[2].min_estimated_rows == 100_000
    assert policy.guardrails[3].max_affected_rows == 100
    assert policy.approvals[0].approvers.groups == ("dba",)
    assert policy.classify[1].functions == ("public.order_total(integer)",)
    assert policy.masks[0].method == "partial"
    assert policy.masks[0].keep_last == 4
    assert policy.record_keys[0].tables == ("public.orders",)


@pytest.mark.parametrize(
    ("text", "line", "key", "mend"),
    [
        ("[[grnat]]\n", 1, "grnat", 'did you mean "grant"?'),
        (GRANT + 'group = ["a"]\n', 4, "grant[0].group", 'did you mean "groups"?'),
        ('[[grant]]\nname = "g"\nallow = ["raed"]\n', 3, "grant[0].allow[0]", 'did you mean "read"?'),
        ('[[grant]]\nname = "g"\n', 1, "grant[0]", "add allow"),
        ('[[grant]]\nname = "g"\nallow = []\n', 3, "grant[0].allow", "give"),
        ('[[grant]]\nname = ""\nallow = ["read"]\n', 2, "grant[0].name", "give"),
        ('[[grant]]\nname = " g"\nallow = ["read"]\n', 2, "grant[0].name", "trim"),
        ('[[grant]]\nname = "Built-in: x"\nallow = ["read"]\n', 2, "grant[0].name", "choose another"),
        ('[[grant]]\nname = "a\\u001bb"\nallow = ["read"]\n', 2, "grant[0].name", "plain line"),
        (GRANT + 'reason = "a\\nb"\n', 4, "grant[0].reason", "plain line"),
        (GRANT + 'unmask = ["e mail"]\n', 4, "grant[0].unmask[0]", '"email"'),
        (GRANT + 'role = "none"\n', 4, "grant[0].role", "upstream role"),
        (GRANT + "expires = 2027-01-01T00:00:00\n", 4, "grant[0].expires", "give"),
        (GRANT + "expires = 2027-01-01\n", 4, "grant[0].expires", "give"),
        (GRANT + "max_rows_per_hour = 0\n", 4, "grant[0].max_rows_per_hour", "give whole number >= 1"),
        (
            GRANT + "not_before = 2027-01-01T00:00:00Z\nexpires = 2026-01-01T00:00:00Z\n", 5, "grant[0].expires",
            "later than not_before",
        ),
        (GRANT + GRANT, 5, "grant[1].name", "a name of its own"),
        (GRANT + RAIL.replace('"r"', '"g"') + "without_where = true\n", 5, "guardrail[0].name", "of its own"),
        (RAIL, 1, "guardrail[0]", "statements ="),
        (RAIL + 'statements = ["DORP"]\n', 4, "guardrail[0].statements[0]", 'did you mean "DROP"?'),
        (RAIL + 'statements = ["DROP TABEL"]\n', 4, "guardrail[0].statements[0]", 'did you mean "TABLE"?'),
        (RAIL + 'statements = [" "]\n', 4, "guardrail[0].statements[0]", "DROP TABLE"),
        (RAIL + 'columns = ["email"]\n', 4, "guardrail[0].columns[0]", "customers.email"),
        (RAIL + 'tables = ["a.b.c"]\n', 4, "guardrail[0].tables[0]", "schema.name"),
        (RAIL + 'functions = ["f(int"]\n', 4, "guardrail[0].functions[0]", "schema.name"),
        (RAIL.replace("deny", "slow"), 3, "guardrail[0].effect", 'add loop = "denied"'),
        (RAIL.replace("deny", "stop"), 3, "guardrail[0].effect", 'add loop = "denied"'),
        (RAIL + "after = 5\n", 4, "guardrail[0].after", 'add loop = "denied"'),
        (RAIL + "window_seconds = 5\n", 4, "guardrail[0].window_seconds", 'add loop = "denied"'),
        (RAIL + 'loop = "offest"\n', 4, "guardrail[0].loop", 'did you mean "offset"?'),
        (RAIL + 'loop = "keys"\nafter = 1\n', 5, "guardrail[0].after", ">= 2"),
        (RAIL + 'loop = "keys"\nmax_affected_rows = 1\n', 5, "guardrail[0].max_affected_rows", "two rules"),
        (RAIL.replace("deny", "warn") + 'loop = "keys"\n', 3, "guardrail[0].effect", '"slow", "hold", "deny" or "stop"'),
        (RAIL.replace("deny", "hold") + "max_affected_rows = 1\n", 3, "guardrail[0].effect", 'effect = "deny"'),
        (RAIL + "max_affected_rows = -1\n", 4, "guardrail[0].max_affected_rows", "give whole number >= 0"),
        (
            RAIL + "min_estimated_rows = 5\nmax_affected_rows = 1\n", 5, "guardrail[0].max_affected_rows", "two rules",
        ),
        (RAIL.replace("deny", "block"), 3, "guardrail[0].effect", "use one of: deny, hold, slow, stop, warn"),
        ('[[approval]]\nname = "a"\napprovers = {}\n', 3, "approval[0].approvers", 'groups = ["dba"]'),
        (
            '[[approval]]\nname = "a"\napprovers = { users = ["x"] }\nchannels = ["SMS!"]\n', 4,
            "approval[0].channels", "slack:",
        ),
        ('[[classify]]\nlabel = "x"\n', 1, "classify[0]", "add columns or functions"),
        ('[[classify]]\nlabel = "X"\ncolumns = ["a.b"]\n', 2, "classify[0].label", "email"),
        ('[[classify]]\nlabel = "x"\ncolumns = ["b"]\n', 3, "classify[0].columns[0]", "public."),
        ('[[classify]]\nlabel = "x"\nfunctions = ["b c"]\n', 3, "classify[0].functions[0]", "public."),
        ("[[record_keys]]\n", 1, "record_keys[0]", "add tables or labels"),
        ('[[record_keys]]\ntables = ["a.b.c"]\n', 2, "record_keys[0].tables[0]", "schema.name"),
        ('[[record_keys]]\nlabels = ["none"]\n', 2, "record_keys[0].labels[0]", "email"),
        ('[[mask]]\nlabels = ["none"]\n', 2, "mask[0].labels[0]", "email"),
        ('[[mask]]\nlabels = ["x"]\nwith = "hide"\n', 3, "mask[0].with", "use one of"),
        ('[[mask]]\nlabels = ["x"]\nwith = "hash"\nkeep_last = 4\n', 4, "mask[0].keep_last", "partial"),
        ('[[mask]]\nlabels = ["x", "email"]\nmin_group = 4\n', 2, "mask[0].labels[1]", "rule of their own"),
        ('[[mask]]\nlabels = ["salary"]\nmin_group = 1\n', 3, "mask[0].min_group", ""),
        ('[[mask]]\nlabels = ["x"]\ninference = "some"\n', 3, "mask[0].inference", "use one of"),
        (
            '[[mask]]\nlabels = ["x"]\ninference = "refuse"\nmax_equality_per_hour = 5\n', 4,
            "mask[0].max_equality_per_hour", "allow_equality",
        ),
    ],
)  # fmt: skip
def test_nonsense_is_told_by_line_key_and_mend(text: str, line: int, key: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    told = str(caught.value)
    assert told.startswith(f"policy.toml:{line}: {key}")
    assert mend in told


def test_two_files_may_not_share_a_name() -> None:
    one, two = load(GRANT, "a.toml"), load(GRANT, "b.toml")
    with pytest.raises(ConfigError, match=r'^b\.toml:1: name: the name "g" is taken by a\.toml:1; '):
        merge([one, two])


def test_several_files_are_one_policy() -> None:
    both = merge([load(WHOLE, "a.toml"), load(GRANT, "b.toml")])
    assert [one.name for one in both.grants] == ["analysts read production", "g"]
    assert both.places["g"] == ("b.toml", 1)


LINES = WHOLE.splitlines()


@settings(max_examples=300)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.text(alphabet='[]{}="\'\\\n#. ab1,*', max_size=12))
def test_random_text_is_a_policy_or_a_config_error(lines: list[str], rubbish: str) -> None:
    found = outcome("\n".join([*lines, rubbish]))
    if isinstance(found, ConfigError):
        assert found.fault.why
        assert found.fault.mend
    else:
        assert len(found.places) == len(found.grants) + len(found.guardrails) + len(found.approvals)


SECTIONS = [GRANT, RAIL + "without_where = true\n", '[[approval]]\nname = "a"\napprovers = { users = ["u"] }\n',
            '[[classify]]\nlabel = "x"\ncolumns = ["a.b"]\n', '[[mask]]\nlabels = ["x"]\n']  # fmt: skip
VALUES = ["1", "-1", "99999999999999999999999", "nan", "1.5", "true", '"x"', '"."', "[]", "{}", '[""]', '["..."]',
          "[1]", "[[]]", "1979-05-27", "1979-05-27T07:32:00", "0001-01-01T00:00:00+23:59", "07:32:00"]  # fmt: skip


@settings(max_examples=400)
@given(
    st.sampled_from(SECTIONS),
    st.sampled_from(sorted({line.partition("=")[0].strip() for line in LINES if "=" in line})),
    st.sampled_from(VALUES),
)
def test_any_value_under_any_key_is_a_policy_or_a_config_error(section: str, key: str, value: str) -> None:
    found = outcome(f"{section}{key} = {value}\n")
    assert isinstance(found, Policy) or found.fault.key


def test_partial_keeps_a_labels_safe_maximum_at_most() -> None:
    assert [kept_at_most(label, 9) for label in ("card", "email", "name", "secret", "dob", "loyalty")] == [4, 4, 1, 0, 0, 9]
    assert kept_at_most("card", 2) == 2
