"""The tokenizer against the scanner of PostgreSQL 18 itself (libpg_query).

Where the two may differ, and why (everything else must be equal, byte offsets and kinds):

- `continued.sql`: libpg_query was changed to hand out comments, so it ends a string before a comment; the server joins the
  pieces of a string over lines with `--` comments between them (scan.l: quotecontinue).
- `stricter.sql`: libpg_query's scan stops short of a step of the server and passes on what the server refuses: escapes in
  U& strings and names and their UESCAPE clause (parser.c); and it lets letters behind a parameter through (`$1a`, for its
  normalised texts), which PostgreSQL 15 and later do not.
- A character that begins no token is an error for us and a token of its own there, which no grammar rule has.
- A UESCAPE clause belongs to our U& token, and the N of N'…' to our string; the scanner gives them as tokens of their own.
- A whole number above 2147483647 is INTEGER for us and a float constant there.

PostgreSQL's own regression SQL (versions 15, 17 and 18) is read too where `make oracle` has fetched it; DIFFERENT lists the
statements on which the two do not agree.
"""

import random
import re
from pathlib import Path

import postgast
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parser.tokenizer import LexError, Tokenizer, tokenize
from parser.tokens import Kind, Token
from tests.oracle import regression

CORPUS = Path(__file__).parent.parent / "corpus" / "lexer"
NAMES = postgast.scan("x").tokens[0].DESCRIPTOR.fields_by_name["token"].enum_type.values_by_number
KINDS = {
    "IDENT": Kind.IDENT,
    "UIDENT": Kind.QUOTED,
    "SCONST": Kind.STRING,
    "USCONST": Kind.STRING,
    "BCONST": Kind.BITS,
    "XCONST": Kind.HEX,
    "ICONST": Kind.INTEGER,
    "FCONST": Kind.NUMERIC,
    "PARAM": Kind.PARAM,
}
OPERATORS = {"Op", "TYPECAST", "DOT_DOT", "COLON_EQUALS", "EQUALS_GREATER", "LESS_EQUALS", "GREATER_EQUALS", "NOT_EQUALS"}
SELF = ",()[].;:+-*/%^<>="
CONTINUED = re.compile(r"['\"]\s*--")  # may be a string that goes on behind a comment
STRICTER = re.compile(r"[uU]&['\"]|\$[0-9]+[A-Za-z_\u0080-\U0010ffff]")
ESCAPE = "an escape in a U& string that the server's parser refuses, one step behind the scanner"
DIFFERENT = {
    "PREPARE p1 AS SELECT $1a;": "letters behind a parameter: libpg_query lets them through, the server from 15 on does not",
    "PREPARE p1 AS SELECT $0_1;": "the same: an underscore behind a parameter",
    r"SELECT U&'wrong: \061';": ESCAPE,
    r"SELECT U&'wrong: \+0061';": ESCAPE,
    r"SELECT U&'wrong: \db99';": ESCAPE,
    r"SELECT U&'wrong: \db99xy';": ESCAPE,
    r"SELECT U&'wrong: \db99\\';": ESCAPE,
    r"SELECT U&'wrong: \db99\0061';": ESCAPE,
    r"SELECT U&'wrong: \+00db99\+000061';": ESCAPE,
    r"SELECT U&'wrong: \+2FFFFF';": ESCAPE,
    "SELECT U&'wrong: +0061' UESCAPE +;": "UESCAPE without a string: refused one step behind the scanner",
    "SELECT U&'wrong: +0061' UESCAPE '+';": "an escape character that cannot be one: refused one step behind the scanner",
}
Spans = list[tuple[Kind, int, int]]


def statements(file: str) -> list[str]:
    return [text.removesuffix("\n") for text in (CORPUS / file).read_bytes().decode().split("\n--=--\n")]


def ours(sql: str) -> Spans | None:
    try:
        return [(token.kind, token.start, token.end) for token in tokenize(sql.encode())]
    except LexError:
        return None


def theirs(sql: str) -> Spans | None:
    try:
        scanned = [(token.token, token.start, token.end) for token in postgast.scan(sql).tokens]
    except (postgast.PgQueryError, UnicodeDecodeError):  # its message may hold half a character
        return None
    raw = sql.encode()
    if any(number < 256 and chr(number) not in SELF for number, _, _ in scanned):
        return None
    spans: Spans = []
    clause = 0  # 1 behind a U& token, 2 behind its UESCAPE
    for number, start, end in scanned:
        name, text = NAMES[number].name, raw[start:end]
        if name in ("SQL_COMMENT", "C_COMMENT"):
            continue
        if name == "UESCAPE" and clause == 1:
            clause = 2
            continue
        if clause == 2:
            spans[-1] = (*spans[-1][:2], end)
            clause = 0
            continue
        clause = 1 if name in ("USCONST", "UIDENT") else 0
        if name.startswith("ASCII_"):
            kind = Kind.SELF
        elif name in OPERATORS:
            kind = Kind.OPERATOR
        elif name == "FCONST" and not (set(text) & set(b".eE") and text[:2].lower() not in (b"0x", b"0o", b"0b")):
            kind = Kind.INTEGER
        elif name == "IDENT" and text[:1] == b'"':
            kind = Kind.QUOTED
        else:
            kind = KINDS.get(name, Kind.IDENT)
        if kind is Kind.STRING and spans and name == "SCONST" and text[:1] == b"'":
            before = spans[-1]
            if before[2] == start and raw[before[1] : before[2]] in (b"n", b"N") and before[0] is Kind.IDENT:
                spans[-1] = (kind, before[1], end)
                continue
        spans.append((kind, start, end))
    return spans


@pytest.mark.parametrize(
    "file",
    ["plain", "strings", "whitespace", "numbers", "operators", "names", "comments", "errors"],
)
def test_the_corpus_has_the_scanner_s_tokens(file: str) -> None:
    for sql in statements(file + ".sql"):
        assert ours(sql) == theirs(sql), sql


def test_what_should_be_refused_is_refused_by_both() -> None:
    for sql in statements("errors.sql"):
        assert ours(sql) is None, sql
        assert theirs(sql) is None, sql


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert sum(len(statements(file.name)) for file in CORPUS.glob("*.sql")) >= 150


def test_strings_that_go_on_behind_a_comment_are_one_token_as_in_the_server() -> None:
    for sql in statements("continued.sql"):
        mine, other = ours(sql), theirs(sql)
        assert mine is not None
        assert other is not None
        assert len(mine) < len(other), sql
        assert mine[-1][2] == other[-1][2], sql


def test_we_refuse_what_only_the_later_steps_of_the_server_refuse() -> None:
    for sql in statements("stricter.sql"):
        assert ours(sql) is None, sql
        assert theirs(sql) is not None, sql


def sent() -> list[str]:
    """Each text that psql would send for the regression suite, once."""
    files = regression.files()
    if not files:
        pytest.skip(regression.ABSENT)
    return list(dict.fromkeys(text for file in files for text in regression.statements(file)))


def test_postgresql_s_regression_sql_has_the_scanner_s_tokens() -> None:
    texts = sent()
    assert len(texts) > 30_000
    different = {sql for sql in texts if ours(sql) != theirs(sql)}
    assert different <= set(DIFFERENT)
    assert all(ours(sql) is None for sql in different)  # where we differ we refuse


def test_postgresql_s_regression_sql_gives_the_same_tokens_in_pieces() -> None:
    rng = random.Random(11)
    for sql in sent()[::4]:
        raw = sql.encode()
        expected = whole(raw)
        for size in (len(raw), rng.randrange(1, 40)):
            reader = Tokenizer()
            try:
                found = [token for at in range(0, len(raw), size) for token in reader.feed(raw[at : at + size])]
                found += reader.close()
            except LexError:
                assert expected is None, sql
            else:
                assert found == expected, sql


def whole(raw: bytes) -> list[Token] | None:
    try:
        return tokenize(raw)
    except LexError:
        return None


def check(sql: str) -> None:
    mine, other = ours(sql), theirs(sql)
    if mine == other or CONTINUED.search(sql):
        return
    assert mine is None, sql
    assert STRICTER.search(sql), sql


def constant(sql: str) -> str | None:
    """The one string or name that the select list is, as the server's parser reads it; None for anything else."""
    try:
        (target,) = postgast.parse(sql).stmts[0].stmt.select_stmt.target_list
    except (postgast.PgQueryError, UnicodeDecodeError, ValueError):
        return None
    value, label = target.res_target.val, target.res_target.name
    if label or value.WhichOneof("node") not in ("a_const", "column_ref"):
        return None
    if value.WhichOneof("node") == "a_const":
        return value.a_const.sval.sval
    return value.column_ref.fields[0].string.sval


OPENINGS = st.sampled_from(["'", "E'", "U&'", "$$", "$t$", '"', 'U&"'])
BODY = st.lists(
    st.sampled_from(
        ["a", "''", '""', "é", "\\\\", "\\n", "\\'", "\\101", "\\x41", "\\x4", "\\u0041", "\\U0001F600", "\\ud83d\\ude00"]
    )
    | st.sampled_from(["\\0061", "\\+01F600", "!0061", "!!", "'\n'", " ", "\n", "日", "/*", "--", "b" * 40, "\\xc3\\xa9"]),
    max_size=6,
).map("".join)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(OPENINGS, BODY, st.booleans())
@example("E'", "\\é\\400", False)
@example('U&"', "!00e9" * 40, True)
def test_values_and_names_are_what_the_server_reads(opening: str, body: str, clause: bool) -> None:
    closing = opening if opening.startswith("$") else opening[-1]
    sql = f"SELECT {opening}{body}{closing}" + (" UESCAPE '!'" if clause and opening.startswith("U&") else "")
    expected = constant(sql)
    if expected is not None:
        assert [token.text for token in tokenize(sql.encode())] == ["select", expected]


PIECES = st.sampled_from(
    [
        *["select", "from", "a", "_b", "é", "日本", "U", "u&", "e", "E'", "b'", "x'", "n'", "'", "''", '"', '""', "uescape"],
        *["$", "$$", "$a$", "$1", "1", "42", "1.5", ".", "..", "1.", "1e", "1e5", "0x", "0x1f", "0b1", "1_", "_0", "a'b"],
        *["+", "-", "*", "/", "%", "^", "<", ">", "=", "~", "!", "@", "#", "&", "?", "|", "`", "--", "/*", "*/", "\\"],
        *[":", "::", ":=", "=>", "<=", "!=", ",", "(", ")", "[", "]", ";", "\\n", "\\u0041", "\\'"],
        *[" ", " ", "\n", "\n", "\t", "\r", "\v"],
    ]
)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("'a'\n-'b'")
@example("1e5$1")
def test_statements_made_of_awkward_pieces_have_the_scanner_s_tokens(sql: str) -> None:
    check(sql)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_any_text_has_the_scanner_s_tokens(sql: str) -> None:
    check(sql)


@settings(max_examples=800, deadline=None, derandomize=True)
@given(st.sampled_from([s for f in sorted(CORPUS.glob("*.sql")) for s in statements(f.name)]), st.data())
def test_mutated_corpus_statements_have_the_scanner_s_tokens(sql: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(sql)))
    cut = data.draw(st.integers(0, 3))
    check(sql[:at] + data.draw(PIECES) + sql[at + cut :])
