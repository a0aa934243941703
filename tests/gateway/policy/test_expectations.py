"""Policy test files: what may stand in them, the catalogue they make, and how outcomes compare."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.policy.expectations import Expectation, Expectations, catalog, failures, load
from gateway.policy.functions import power
from gateway.policy.rules import Classify

TEST = '[[test]]\nname = "t"\nuser = "alice"\ndatabase = "prod"\nsql = "SELECT 1"\nexpect = "allow"\n'
TABLE = '[[table]]\nname = "public.people"\ncolumns = { id = "int", email = "varchar(20)", code = "text", phone = "TEXT" }\n'
FUNCTION = '[[function]]\nname = "public.f"\n'


def read(text: str) -> Expectations:
    return load(text, "p.test.toml")


def test_every_key_is_read_with_its_line() -> None:
    more = 'groups = ["a"]\nactors = ["x"]\nissuer = "i"\nrule = "r"\nestimated_rows = 5\nintent = "why"\n'
    columns = 'masked = ["email"]\nclear = ["id"]\n'
    found = read(TABLE + FUNCTION + TEST + more + columns + TEST.replace('"t"', '"u"'))
    assert found.lines == (6, 20)
    first, second = found.tests
    assert (first.groups, first.actors, first.issuer, first.rule) == (("a",), ("x",), "i", "r")
    assert (first.masked, first.clear, first.estimated_rows, first.intent) == (("email",), ("id",), 5, "why")
    assert second == Expectation("u", "alice", "prod", "SELECT 1", "allow")
    assert found.alone
    assert not read(TEST).alone


@pytest.mark.parametrize(
    ("text", "line", "key", "mend"),
    [
        ("", 0, "test", "write one"),
        (TABLE, 0, "test", "write one"),
        (TEST.replace("allow", "alow"), 6, "test[0].expect", 'did you mean "allow"?'),
        (TEST + 'mask = ["x"]\n', 7, "test[0].mask", 'did you mean "masked"?'),
        (TEST.replace('user = "alice"\n', ""), 1, "test[0]", "add user"),
        (TEST + TEST, 8, "test[1].name", "a name of its own"),
        (TEST.replace("allow", "deny") + 'masked = ["x"]\n', 7, "test[0].masked", "take masked out"),
        (TEST.replace("allow", "hold") + 'clear = ["x"]\n', 7, "test[0].clear", "take clear out"),
        (TABLE.replace("int", "itneger") + TEST, 3, "table[0].columns", 'did you mean "integer"?'),
        (TABLE + 'key = ["di"]\n' + TEST, 4, "table[0].key[0]", 'did you mean "id"?'),
        (TABLE.replace("public.", "a.b.") + TEST, 2, "table[0].name", "schema.name"),
        (TABLE.replace("public.", ".") + TEST, 2, "table[0].name", "schema.name"),
        (FUNCTION.replace(".f", ".f()") + TEST, 2, "function[0].name", "schema.name"),
        (FUNCTION + 'volatility = "never"\n' + TEST, 3, "function[0].volatility", "use one of"),
    ],
)
def test_nonsense_is_told_by_line_key_and_mend(text: str, line: int, key: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    told = str(caught.value)
    assert told.startswith(f"p.test.toml:{line}: {key}: " if line else f"p.test.toml: {key}: ")
    assert mend in told


def test_the_files_own_tables_are_classified_like_real_ones() -> None:
    corrections = [
        Classify("none", ("public.people.phone",)), Classify("loyalty", ("public.people.code",)),
        Classify("none", ("public.people.code",)),
    ]  # fmt: skip
    made = catalog(read(TABLE + 'key = ["id"]\n' + TEST), corrections)
    (table,) = made.find("public", "people")
    assert [(one.number, one.name, one.type_oid, one.label) for one in table.columns] == [
        (1, "id", 23, None), (2, "email", 1043, "email"), (3, "code", 25, "loyalty"), (4, "phone", 25, None),
    ]  # fmt: skip
    assert made.find("sales", "people") == ()
    assert made.keys == {table.oid: (frozenset({"id"}),)}


def test_the_files_own_functions_count_by_what_they_say() -> None:
    calm = FUNCTION.replace(".f", ".calm") + 'volatility = "stable"\nlanguage = "sql"\n'
    made = catalog(read(FUNCTION + calm + TEST), [])
    assert power(None, "f", made) == "code"
    assert power("public", "calm", made) == "read"
    for built_in in ("lower", "now", "count", "random", "coalesce"):
        assert power(None, built_in, made) == "read"
    assert power(None, "elsewhere", made) == "unknown"


def statement(decision: str = "allow", rules: tuple[str, ...] = ("g",), **more: Any) -> dict[str, Any]:
    columns = [{"name": "id", "mask": "clear"}, {"name": "email", "mask": "redact"}]
    return {"decision": decision, "rules": [*rules], "message": "", "wants_estimate": False, "columns": columns, **more}


def told(outcome: dict[str, Any] | list[dict[str, Any]], **expected: Any) -> list[str]:
    test = Expectation(**{"name": "t", "user": "u", "database": "d", "sql": "s", "expect": "allow", **expected})
    return failures(test, outcome if isinstance(outcome, dict) else {"statements": outcome})


def test_what_is_as_expected_has_no_failure() -> None:
    assert told([statement()]) == []
    assert told([statement()], rule="g", masked=("email",), clear=("id",)) == []
    assert told([statement(), statement("deny", ("r",))], expect="deny", rule="r") == []
    for rule in ("", "built-in: deny by default"):
        assert told({"sign_in": "no grant lets you in", "statements": []}, expect="deny", rule=rule) == []


@pytest.mark.parametrize(
    ("outcome", "expected", "failure"),
    [
        (
            [statement("deny", ("r",), message="denied by r: no")], {},
            'expected allow, got deny by "r": denied by r: no',
        ),
        ([statement(), statement("hold", ("h",))], {}, 'expected allow, got hold by "h"'),
        ([statement("deny", ("r",))], {"expect": "deny", "rule": "q"}, 'expected deny by "q", got deny by "r"'),
        ([statement()], {"clear": ("email",)}, 'expected column "email" clear, got masked (redact)'),
        ([statement()], {"masked": ("id",)}, 'expected column "id" masked, got clear'),
        ([statement()], {"masked": ("x",)}, 'the result has no column "x"; its columns are: id, email'),
        ([statement(columns=None)], {"clear": ("x",)}, "known only when the server describes"),
        ([statement(wants_estimate=True)], {}, "give estimated_rows"),
        ([], {}, "no statement"),
        ({"sign_in": "no grant lets you in", "statements": []}, {}, "expected allow, got: no grant lets you in"),
        ({"sign_in": "no grant lets you in", "statements": []}, {"expect": "deny", "rule": "r"}, "expected deny, got: no"),
    ],
)  # fmt: skip
def test_each_difference_is_told(
    outcome: dict[str, Any] | list[dict[str, Any]], expected: dict[str, Any], failure: str
) -> None:
    (found,) = told(outcome, **expected)
    assert failure in found


def outcome(text: str) -> Expectations | ConfigError:
    try:
        return read(text)
    except ConfigError as error:
        return error


LINES = (TABLE + FUNCTION + TEST).splitlines()


@settings(max_examples=200)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.text(alphabet='[]{}="\'\\\n#. ab1,*', max_size=12))
def test_random_text_is_a_test_file_or_a_config_error(lines: list[str], rubbish: str) -> None:
    found = outcome("\n".join([*lines, rubbish]))
    if isinstance(found, ConfigError):
        assert found.fault.why
        assert found.fault.mend
    else:
        assert len(found.lines) == len(found.tests) > 0
        catalog(found, [])
