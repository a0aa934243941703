"""What a call may do: catalogue first, the worst of all functions of the name."""

import pytest

from gateway.classify.catalog import Catalog, CatalogFunction
from gateway.policy.functions import power
from parser.facts import Effect
from parser.known import Body
from parser.plpgsql import plain


def catalog(*functions: tuple[str, str, str, str, bool]) -> Catalog:
    made = Catalog(1, {}, {}, {})
    for schema, name, volatility, language, definer in functions:
        one = CatalogFunction(schema, name, volatility, language, definer, schema == "pg_catalog")
        made.functions[name] = (*made.functions.get(name, ()), one)
    return made


@pytest.mark.parametrize(
    ("schema", "volatility", "language", "definer", "expected"),
    [
        ("pg_catalog", "i", "internal", False, "read"),
        ("pg_catalog", "s", "internal", False, "read"),
        ("pg_catalog", "v", "internal", False, "admin"),
        ("public", "i", "c", False, "read"),
        ("public", "s", "plpython3u", True, "read"),
        ("public", "v", "sql", False, "code"),
        ("public", "v", "plpgsql", False, "code"),
        ("public", "v", "plpgsql", True, "code"),
        ("public", "v", "c", False, "code"),
        ("public", "v", "plperlu", False, "code"),
    ],
)
def test_a_function_counts_by_its_definition(
    schema: str, volatility: str, language: str, definer: bool, expected: str
) -> None:
    known = catalog((schema, "f", volatility, language, definer))
    assert power(None, "f", known) == expected
    assert power(schema, "f", known) == expected
    assert power("elsewhere", "f", known) == "unknown"


def test_the_worst_of_a_name_counts_unless_the_schema_is_told() -> None:
    known = catalog(("pg_catalog", "f", "i", "internal", False), ("public", "f", "v", "plpgsql", False))
    assert power(None, "f", known) == "code"
    assert power("pg_catalog", "f", known) == "read"


def test_a_users_function_does_not_hide_behind_a_known_name() -> None:
    known = catalog(
        ("pg_catalog", "random", "v", "internal", False),
        ("public", "random", "v", "plpgsql", True),
        ("public", "nextval", "v", "plpython3u", False),
        ("public", "uuid_generate_v4", "v", "plpgsql", True),
    )
    assert power("pg_catalog", "random", known) == "read"
    assert power(None, "random", known) == "code"
    assert power("public", "nextval", known) == "code"
    assert power(None, "uuid_generate_v4", known) == "code"


def test_what_the_parser_told_is_not_told_again() -> None:
    assert power(None, "pg_read_file", catalog(("pg_catalog", "pg_read_file", "v", "internal", False))) == "read"
    assert power("pg_catalog", "pg_read_file", catalog()) == "read"


def test_grammar_that_looks_like_a_call_is_no_function() -> None:
    assert power(None, "coalesce", catalog()) == "read"
    assert power(None, "uuid", catalog()) == "read"
    assert power("public", "coalesce", catalog()) == "unknown"
    assert power(None, "coalesce", catalog(("public", "coalesce", "v", "plpgsql", False))) == "code"


def test_nothing_known_is_unknown() -> None:
    assert power(None, "lower", catalog()) == "unknown"


def bodied(
    name: str, *calls: str, effects: frozenset[Effect] = frozenset({"read"}), volatility: str = "v", definer: bool = False
) -> CatalogFunction:
    body = Body(effects, (), (), frozenset((None, call) for call in calls), frozenset(), ())
    return CatalogFunction("public", name, volatility, "sql", definer, False, body=body)


def test_a_body_that_was_read_counts_as_what_it_does() -> None:
    made = catalog(("pg_catalog", "lower", "i", "internal", False), ("public", "opaque", "v", "plpgsql", False))
    functions = [
        bodied("reads", "lower"), bodied("empty"), bodied("writes", effects=frozenset({"read", "write"})),
        bodied("above", "reads", "writes"), bodied("defines", effects=frozenset({"ddl"})),
        bodied("calls", "reads", "opaque"), bodied("deep", "calls"), bodied("lost", "no_such_function"),
        bodied("lies", "opaque", volatility="s"), bodied("honest", "lower", volatility="s"), bodied("owned", definer=True),
        bodied("here", "there"), bodied("there", "here"),
    ]  # fmt: skip
    for one in functions:
        made.functions[one.name] = (one,)
    told = {one.name: power(None, one.name, made) for one in functions}
    assert told == {
        "reads": "read", "empty": "read", "writes": "write", "above": "write", "defines": "code",
        "calls": "code", "deep": "code", "lost": "unknown",
        "lies": "code", "honest": "read", "owned": "code", "here": "read", "there": "read",
    }  # fmt: skip


def plpgsql(name: str, source: str, *, volatility: str = "v", definer: bool = False) -> CatalogFunction:
    found = plain(source.encode())
    return CatalogFunction("public", name, volatility, "plpgsql", definer, False, plain=found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("BEGIN RETURN 1; END", "read"),
        ("DECLARE r record; BEGIN SELECT * INTO r FROM t WHERE a = lower(x); RETURN r.total; END", "read"),
        ("BEGIN PERFORM pg_notify('a', 'b'); RETURN no_column.of_any(1); END", "read"),
        ("BEGIN UPDATE t SET a = 1; RETURN 1; END", "write"),
        ("BEGIN RETURN nextval('s'); END", "write"),
        ("BEGIN PERFORM changes(); RETURN 1; END", "write"),
        ("BEGIN RETURN pg_read_file('x'); END", "admin"),
        ("BEGIN PERFORM set_config('role', 'x', false); RETURN 1; END", "code"),
        ("BEGIN PERFORM query_to_xml('x', true, true, ''); RETURN 1; END", "code"),
        ("BEGIN EXECUTE x; END", "code"),
        ("BEGIN PERFORM public.dynamic(); RETURN 1; END", "code"),
        ("BEGIN RETURN 1 ~~~~ 2; END", "code"),
        ("BEGIN RETURN 1::wiper; END", "code"),
        ("BEGIN DROP TABLE t; END", "code"),
    ],
)
def test_a_body_in_plpgsql_counts_as_its_words_and_all_that_they_may_call(source: str, expected: str) -> None:
    made = catalog(
        ("pg_catalog", "lower", "i", "internal", False), ("pg_catalog", "nextval", "v", "internal", False),
        ("pg_catalog", "pg_read_file", "v", "internal", False), ("pg_catalog", "set_config", "v", "internal", False),
        ("pg_catalog", "query_to_xml", "v", "internal", False), ("pg_catalog", "pg_notify", "v", "internal", False),
    )  # fmt: skip
    dynamic, changes = plpgsql("dynamic", "BEGIN EXECUTE 'x'; END"), plpgsql("changes", "BEGIN DELETE FROM t; END")
    made.functions |= {"dynamic": (dynamic,), "changes": (changes,)}
    made.operators = {"~~~~": (("public", "dynamic"),)}
    made.casts = {"wiper": (("public", "dynamic"),)}
    for volatility in ("v", "s", "i"):
        made.functions["f"] = (plpgsql("f", source, volatility=volatility),)
        assert power(None, "f", made) == expected
    made.functions["f"] = (plpgsql("f", source, definer=True),)
    assert power(None, "f", made) == "code"
    made.functions["f"] = (plpgsql("f", source),)
    made.implicit = (("public", "dynamic"),)
    assert power(None, "f", made) == "code"
