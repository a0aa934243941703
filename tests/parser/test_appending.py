"""What is put behind a statement stands where PostgreSQL's own grammar takes it, and nothing before it moves."""

import re
from pathlib import Path

import postgast
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from parser.appending import appended
from parser.facts import Changing, Facts
from parser.statements import read

CORPUS = Path(__file__).parent.parent / "corpus" / "statements"
TEXTS = [line.split("\t")[0] for line in (CORPUS / "facts.tsv").read_text().splitlines() if not line.startswith("# ")]
TEXTS += [line for line in (CORPUS / "grammar.sql").read_text().splitlines() if not line.startswith("-- ")]
LIST = '"t"."a" AS "k"'
_TAIL = (";", " ", "\n", "\t;", "-- it's ; \"\n", "/* ; ' */", "/* /* ; */ -- */", "-- end\n;")
TAILS = st.lists(st.sampled_from(_TAIL), max_size=5)
_LOCATIONS = re.compile(r"^\s*(location|stmt_location|stmt_len|list_start|list_end|name_location): -?\d+\n", re.MULTILINE)


def changes(sql: str) -> Changing | None:
    """The outermost change of a text that is one such statement."""
    facts: tuple[Facts, ...] = read(sql.encode())
    kinds = ("INSERT", "UPDATE", "DELETE", "MERGE")
    alone = len(facts) == 1 and facts[0].complete and facts[0].kinds[0] in kinds
    return facts[0].changing if alone else None


CHANGES = [sql for sql in TEXTS if changes(sql) is not None]


def statement(sql: str) -> Message:
    """Its node in the parse tree, whatever its kind."""
    (raw,) = postgast.parse(sql).stmts
    node: Message = getattr(raw.stmt, raw.stmt.WhichOneof("node"))
    return node


def shown(node: Message) -> str:
    return _LOCATIONS.sub("", str(node))


@given(sql=st.sampled_from(CHANGES), tail=TAILS, ahead=st.sampled_from(["", ";", "-- ' \n", "/*;*/ ; "]))
def test_rewritten_text_returns_what_was_asked_and_is_else_the_same(sql: str, tail: list[str], ahead: str) -> None:
    text = ahead + sql.rstrip("; \n") + " " + "".join(tail)
    change = changes(text)
    assert change is not None
    behind = f", {LIST}" if change.returns else f" RETURNING {LIST}"
    rewritten = appended(text.encode(), behind.encode())
    assert rewritten is not None
    assert len(rewritten) == len(text.encode()) + len(behind)
    before, after = statement(text), statement(rewritten.decode())
    (asked,) = postgast.parse(f"DELETE FROM t RETURNING {LIST}").stmts
    wanted = asked.stmt.delete_stmt.returning_clause.exprs[0]
    assert shown(after.returning_clause.exprs[-1]) == shown(wanted)
    del after.returning_clause.exprs[-1]
    if not change.returns:
        after.ClearField("returning_clause")
    assert shown(after) == shown(before)


def test_corpus_has_changes_of_every_kind() -> None:
    first = {sql.split()[0].upper() for sql in CHANGES}
    assert {"INSERT", "UPDATE", "DELETE", "MERGE", "WITH"} <= first


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("delete from t", "delete from t!"),
        ("delete from t; ", "delete from t!; "),
        (" ; delete from t ;;", " ; delete from t! ;;"),
        ("update t set a = ';' -- x;", "update t set a = ';'! -- x;"),
        ("update t set a = '--';", "update t set a = '--'!;"),
        ('update t set a = ";" /* ; */', 'update t set a = ";"! /* ; */'),
        ("update t set a = $$;$$", "update t set a = $$;$$!"),
        ("update t set a = 'ß' -- ß", "update t set a = 'ß'! -- ß"),
        ("", None),
        (" ; ", None),
        ("-- only a comment", None),
        ("/* not closed", None),
        ("delete from t where a = 'x -- y", None),
    ],
)
def test_it_stands_behind_the_last_token(sql: str, wanted: str | None) -> None:
    found = appended(sql.encode(), b"!")
    assert (found and found.decode()) == wanted


def test_string_of_a_session_with_backslashes_ends_where_it_does_there() -> None:
    sql = rb"update t set a = 'it\'s -- no comment' -- a comment"
    assert appended(sql, b"!", strings_conform=False) == sql.replace(b"' -- a", b"'! -- a")


def test_long_values_list_is_not_read_whole() -> None:
    sql = b"insert into t values " + b", ".join(b"(%d, 'x')" % n for n in range(50_000)) + b" -- end"
    found = appended(sql, b"!")
    assert found == sql.replace(b" -- end", b"! -- end")


@pytest.mark.parametrize(
    ("sql", "alias", "returns"),
    [
        ("update t set a = 1", "t", False),
        ('update only s."T" as "X y" set a = 1', "X y", False),
        ("delete from t x using y where x.a = y.a returning *", "x", True),
        ("insert into s.t select a from t", "t", False),
        ("insert into t as n values (1) on conflict (a) do update set a = n.a returning a", "n", True),
        ("merge into t using u on t.a = u.a when matched then delete", "t", False),
        ("with x as (delete from u returning a) update t set a = x.a from x", "t", False),
        ("delete from a.t using b.t as u where true", "t", False),
        ("delete from a.t using b.t where true", None, False),
    ],
)
def test_returning_calls_the_target_by_its_alias(sql: str, alias: str | None, returns: bool) -> None:
    assert changes(sql) == Changing(alias, returns)


def test_change_inside_of_another_statement_is_not_the_outermost() -> None:
    (facts,) = read(b"with x as (delete from t returning a) select a from x")
    assert facts.changing is None
