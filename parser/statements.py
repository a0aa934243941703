"""Reading statements: the text of a message to one `Facts` per statement.

The reader never raises. What it does not understand is `complete=False` with all effects and a reason that quotes no
value: the gateway then takes the statement for the worst it could be.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise

from parser import fingerprint
from parser.aggregates import grouped
from parser.changes import CHANGES, change
from parser.commands import command
from parser.creations import keep
from parser.cutting import columns, cut
from parser.definitions import define
from parser.facts import LITERALS_MAX, Facts
from parser.keywords import QUERY_STARTS
from parser.kinds import ALL_EFFECTS
from parser.known import Known
from parser.lineage import outputs
from parser.probes import uses
from parser.queries import query
from parser.reading import Reading, Unread, Words
from parser.tokenizer import LexError, tokenize
from parser.tokens import LITERALS, Kind, Token, Tokens

TOKENS_MAX = 200_000  # of one message
BULK_TOKENS_MAX = 1_000_000  # of INSERT … VALUES, without the rows that need no reading: some 150 MB
LEVELS_MAX = 4  # statements within statements: EXPLAIN, PREPARE, bodies of functions
_DEFINITIONS = frozenset(("create", "alter", "drop", "comment"))


def read(
    sql: bytes,
    *,
    standard_conforming_strings: bool = True,
    known: Known | None = None,
    parameters: tuple[str, ...] = (),
) -> tuple[Facts, ...]:
    """What each statement of the text does; () for a text without one. Never raises.

    A text that cannot be cut into tokens gives one Facts of unknown kind. With `known` names are resolved against the
    database; without it they stand for whatever they may mean. `parameters`: of a function whose body this is, its name
    and those of its parameters; what they carry is left to the call.
    """
    commented = b"--" in sql or b"/*" in sql
    try:
        tokens = tokenize(
            sql,
            standard_conforming_strings=standard_conforming_strings,
            comments=commented,
            elide_rows=True,
        )
    except LexError:
        return (_unknown("the text cannot be cut into tokens"),)
    comments: list[Token] = []
    if commented:
        comments = [token for token in tokens if token.kind is Kind.COMMENT]
        if comments:
            tokens = tokens.without_comments()
    if not tokens:
        return ()
    if len(tokens) > TOKENS_MAX and (len(tokens) > BULK_TOKENS_MAX or not _bulk(tokens)):
        return (_unknown("the text is too long"),)
    try:
        words = columns(tokens)
        places = cut(words)
    except Unread as unread:
        return (_unknown(unread.reason, tokens),)
    if not places:
        return ()
    notes = _tags(comments, tokens, places) if comments else [()] * len(places)
    words.known, words.sql, words.strings_conform = known, sql, standard_conforming_strings
    words.parameters = parameters
    statements = []
    for (start, end), own in zip(places, notes, strict=True):
        facts = _facts(words, start, end, tokens[start:end] if len(places) > 1 else tokens, own)
        statements.append(facts)
        if words.known is not None and len(places) > 1:
            words.known = words.known.after(facts)
    return tuple(statements)


def _unknown(reason: str, tokens: Sequence[Token] = ()) -> Facts:
    shape = fingerprint.shape(tokens) if tokens else ""
    literals = _literals(tokens)
    return Facts(
        kinds=("UNKNOWN",),
        effects=ALL_EFFECTS,
        outputs=None,
        unfiltered=True,
        complete=False,
        reason=reason,
        by_value=True,
        shape=shape,
        fingerprint=fingerprint.digest(shape),
        literals=tuple(literals[:LITERALS_MAX]),
        literal_count=len(literals),
    )


def _bulk(tokens: Tokens) -> bool:
    """INSERT INTO … VALUES, which may be long."""
    return tokens[0].text == "insert" and any(token.text == "values" for token in tokens[:400])


def _tags(
    comments: list[Token], tokens: Tokens, places: list[tuple[int, int]]
) -> list[tuple[tuple[str, str], ...]]:
    """The tags of each statement: of the comments up to its semicolon; the last one has what follows too."""
    starts = [comment.start for comment in comments]
    cuts = [0]
    for _, end in places[:-1]:
        cuts.append(bisect_left(starts, tokens[end].start))
    cuts.append(len(comments))
    return [
        fingerprint.tags([comment.text for comment in comments[low:high]]) for low, high in pairwise(cuts)
    ]


# --- one statement ---


def _facts(
    words: Words,
    start: int,
    end: int,
    tokens: Sequence[Token],
    tags: tuple[tuple[str, str], ...] = (),
    level: int = 0,
) -> Facts:
    def deeper(words: Words, start: int, end: int) -> Facts:
        return inside(words, start, end, level + 1)

    reading = Reading(words, query, change, deeper)
    reason = ""
    try:
        take_in(reading, start, end)
    except Unread as unread:
        reason = unread.reason
    except (IndexError, KeyError, RecursionError):
        reason = "the statement was not understood"
    shape = fingerprint.shape(tokens)
    complete = not reason
    literals = _literals(tokens) if level == 0 else []
    return Facts(
        kinds=tuple(reading.kinds) or ("UNKNOWN",),
        effects=frozenset(reading.effects) if complete else ALL_EFFECTS,
        reads=tuple(reading.reads),
        writes=tuple(reading.writes),
        columns_read=frozenset(reading.columns_read),
        columns_written=frozenset(reading.columns_written),
        functions=frozenset(reading.functions),
        outputs=reading.outputs if complete else None,
        unfiltered=reading.unfiltered or not complete,
        changes=reading.changes,
        pinned=reading.pinned,
        stored=tuple(reading.stored),
        uses=uses(reading),
        settings=tuple(reading.settings),
        copy=reading.copy,
        named=reading.named,
        creates=tuple(reading.creates),
        inner=reading.inner,
        complete=complete,
        reason=reason,
        by_value=reading.by_value or not complete,
        grouped=grouped(reading, start, end) if complete and level == 0 else None,
        resolved=words.known is not None,
        shape=shape,
        fingerprint=fingerprint.digest(shape),
        tags=tags,
        target=reading.target,
        changing=reading.changing,
        literals=tuple(literals[:LITERALS_MAX]),
        literal_count=len(literals),
    )


def _literals(tokens: Sequence[Token]) -> list[str]:
    """The values of the first literals, at most one more than are kept."""
    if isinstance(tokens, Tokens):
        found = (text for kind, text in zip(tokens.kinds, tokens.texts, strict=True) if kind in LITERALS)
    else:
        found = (token.text for token in tokens if token.kind in LITERALS)
    return list(islice(found, LITERALS_MAX + 1))


def inside(words: Words, start: int, end: int, level: int) -> Facts:
    """The statement inside another one. Bodies may hold definitions with bodies in turn: so deep and no deeper."""
    tokens = words.tokens[start:end]
    if level > LEVELS_MAX:
        return _unknown("statements are nested too deep", tokens)
    facts = _facts(words, start, end, tokens, (), level)
    text = words.sql[words.tokens[start].start : words.tokens[end - 1].end]
    return replace(facts, text=text, strings_conform=words.strings_conform)


def take_in(r: Reading, start: int, end: int) -> None:
    """Reads the tokens from start to end as one statement into `r`. Raises Unread, and IndexError, KeyError or
    RecursionError where the text breaks off."""
    word = r.words.word
    first = word[start]
    if first == "with":
        ahead = r.behind_with(start, end)
        if word[ahead] in CHANGES:
            first = word[ahead]
    if first == "(" or first in QUERY_STARTS:
        items = query(r, start, end, r.root, {})
        if r.creates:
            keep(r, items, [])
            return
        r.outputs = outputs(items)
    elif first in CHANGES:
        change(r, start, end, {})
    elif first in _DEFINITIONS:
        define(r, start, end)
    else:
        command(r, start, end)
