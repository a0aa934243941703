"""The index of guardrails finds every rule that speaks, and not many more."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.catalog import Catalog
from gateway.policy.guardrails import speak
from gateway.policy.needs import needs
from gateway.policy.rails import NAMED_MAX, Asked, RailIndex, Rails
from gateway.policy.rules import Guardrail
from parser.facts import Facts
from parser.statements import read
from tests.gateway.policy.grants import grants, rights

NOTHING_KNOWN = Catalog(1, {}, {}, {})
STATEMENTS = (
    "SELECT email, name FROM customers",
    "SELECT * FROM sales.orders o JOIN customers USING (id)",
    "DELETE FROM orders",
    "UPDATE public.customers SET email = 'x' WHERE id = 1",
    "INSERT INTO orders VALUES (1)",
    "SELECT lower(c.email), app.total(1) FROM customers c",
    "COPY customers (name) TO STDOUT",
    "DROP TABLE orders",
    "SELECT 1",
)
RIGHTS = rights(grants('allow = ["all"]'))
names = st.sampled_from(("*", "customers", "orders", "cust*", "*ers", "?rders", "or*rs", "sales.orders", "sales.*"))
fields = st.sampled_from(("*", "email", "e*l", "name", "id", "?ame"))


def lists(of: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(of, max_size=2).map(tuple)


rails = st.builds(
    Guardrail,
    name=st.sampled_from("abcdefghij"),
    effect=st.just("deny"),
    statements=lists(st.sampled_from(("*", "SELECT", "DROP", "DROP TABLE", "DELETE", "COPY", "UPDATE"))),
    without_where=st.booleans(),
    tables=lists(names),
    columns=lists(st.builds("{}.{}".format, names, fields)),
    functions=lists(st.sampled_from(("lower", "app.total", "tot*", "total(integer)", "l?wer", "app.*"))),
)


class Everything(Rails):
    """Asks every rule, as if there were no index."""

    def of(self, asked: Asked) -> Iterable[Guardrail]:
        return self


def of(sql: str) -> Facts:
    (facts,) = read(sql.encode())
    return facts


def said(facts: Facts, found: Rails) -> list[str]:
    return [one.rule for one in speak(facts, needs(facts, RIGHTS, NOTHING_KNOWN), found, NOTHING_KNOWN).found]


@given(st.lists(rails, max_size=8, unique_by=lambda rail: rail.name), st.integers(0, 8), st.sampled_from(STATEMENTS))
def test_an_index_finds_every_rule_that_speaks(many: list[Guardrail], cut: int, sql: str) -> None:
    facts = of(sql)
    ordered = sorted(many, key=lambda rail: rail.name)
    alone = said(facts, Everything([RailIndex(ordered)]))
    parts = (ordered[:cut], ordered[cut:])
    assert said(facts, Rails([RailIndex(part) for part in parts])) == alone
    assert said(facts, Rails([RailIndex(ordered)])) == alone


def test_parts_are_one_row_of_rules_by_name() -> None:
    parts = [[Guardrail(name, "deny", statements=("*",)) for name in part] for part in ("bd", "", "ace")]
    found = Rails([RailIndex(part) for part in parts])
    assert [rail.name for rail in found] == list("abcde")
    assert len(found) == 5
    assert said(of("SELECT 1"), found) == list("abcde")
    assert not Rails(())
    assert said(of("SELECT 1"), Rails(())) == []


def test_over_what_cannot_be_read_the_strictest_are_named_and_not_all_of_ten_thousand() -> None:
    many = [Guardrail(f"{n:05}", "warn", tables=(f"t{n}",)) for n in range(10_000)]
    many[7_000] = Guardrail("07000", "hold", statements=("DROP",))
    many[9_000] = Guardrail("09000", "deny", statements=("DROP",))
    many[50] = Guardrail("00050", "deny", intent_mismatch=True)
    unread, found = of("SELECT FROM FROM"), Rails([RailIndex(many)])
    named = said(unread, found)
    assert {"07000", "09000", "00000"} <= set(named)
    assert "00050" not in named
    assert named == sorted(named)
    assert len(named) <= NAMED_MAX + 2
    differs = speak(unread, needs(unread, RIGHTS, NOTHING_KNOWN), found, NOTHING_KNOWN, mismatch=("writes",)).found
    assert next(one for one in differs if one.effect == "deny").rule == "00050"


def test_rules_that_cannot_speak_of_a_statement_are_not_asked() -> None:
    """Ten thousand rules on other tables, columns, functions and kinds: what each name finds is looked up."""
    kinds = (
        lambda n: {"tables": (f"public.table_{n}",)},
        lambda n: {"columns": (f"public.table_{n}.col",)},
        lambda n: {"columns": (f"customers.col_{n}",)},
        lambda n: {"functions": (f"app.fn_{n}",)},
        lambda n: {"tables": (f"table_{n}_*",)},
        lambda n: {"statements": ("DROP",), "tables": (f"t{n}",)},
    )
    many = [Guardrail(f"{n:05}", "deny", **kinds[n % len(kinds)](n)) for n in range(10_000)]  # type: ignore[arg-type]
    met = Guardrail("met", "warn", columns=("public.customers.email",))
    index = RailIndex([*many, met])
    found: list[Guardrail] = []

    class Listening(Rails):
        def of(self, asked: Asked) -> Iterable[Guardrail]:
            found.extend(super().of(asked))
            return found

    assert said(of(STATEMENTS[0]), Listening([index])) == ["met"]
    assert found == [met]
