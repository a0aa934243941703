"""Code in strings: the bodies of functions LANGUAGE sql, and the DO blocks that are no more than plain statements.

A body is read like any other text; what its statements do counts as done by the statement that holds it. What else a
language can do (variables, control flow, EXECUTE, exceptions) is not followed: such code stays opaque.
"""

from dataclasses import replace

from parser.cutting import columns, cut
from parser.facts import Facts
from parser.reading import Reading, Unread, Words
from parser.tokenizer import LexError, tokenize
from parser.tokens import Kind, Token, Tokens

BODY_TOKENS_MAX = 20_000
# What a plain statement of a DO block may begin with (PL/pgSQL hands these to the server as they are).
_PLAIN_STARTS = frozenset(
    (
        *("insert", "update", "delete", "merge", "with", "select", "create", "alter", "drop", "comment", "truncate"),
        *("grant", "revoke", "lock", "analyze", "analyse", "refresh", "reindex", "notify", "security", "reassign"),
    )
)
# Behind the first word these make of it a variable that is assigned to, or a label.
_ASSIGNS = frozenset((":=", "=", "[", ".", "<<"))


def absorb(r: Reading, facts: Facts) -> None:
    """Take over all that a statement inside does, with what it looks at; raises Unread where it was not understood."""
    for kind in facts.kinds:
        r.kinds.setdefault(kind)
    r.effects |= facts.effects
    r.writes.update(dict.fromkeys(facts.writes))
    r.columns_written |= facts.columns_written
    r.unfiltered = r.unfiltered or facts.unfiltered
    r.changes += facts.changes
    r.settings += facts.settings
    r.stored += facts.stored
    regard(r, facts)


def regard(r: Reading, facts: Facts) -> None:
    """Take over what a statement inside looks at; raises Unread where it was not understood."""
    r.reads.update(dict.fromkeys(facts.reads))
    r.columns_read |= facts.columns_read
    r.functions |= facts.functions
    for one in facts.uses:
        r.use(replace(one, count=0), one.count)
    r.by_value = r.by_value or facts.by_value
    if not facts.complete:
        raise Unread(facts.reason)


def sql_body(r: Reading, at: int) -> None:
    """The string at a token holds the statements of a function LANGUAGE sql. Raises Unread.

    The server reads it whenever the function is first called in a session, under that session's
    standard_conforming_strings: a body that the two settings cut differently has no one meaning. What it makes is named
    among the relations written: nothing of it exists before the function runs.
    """
    r.by_value = True
    text = r.words.text[at]
    tokens = _tokens(text, conform=True)
    if "\\" in text and tokens != _tokens(text, conform=False):
        raise Unread("the body's strings depend on a setting")
    if not tokens:
        return
    words = _words(r, text, tokens)
    for start, end in cut(words):
        facts = r.inside(words, start, end)
        absorb(r, facts)
        r.writes.update(dict.fromkeys(facts.creates))
        if words.known is not None:
            words.known = words.known.after(facts)


def do_block(r: Reading, at: int, end: int) -> None:
    """What stands behind DO: [LANGUAGE name] and the code. Raises Unread where the code is not plainly readable."""
    words = r.words
    language = "plpgsql"
    body = -1
    while at < end:
        if words.word[at] == "language" and (words.named[at + 1] or words.kind[at + 1] is Kind.STRING):
            language = words.text[at + 1]
            at += 2
        elif words.kind[at] is Kind.STRING and body < 0:
            body = at
            at += 1
        else:
            raise Unread("DO was not understood")
    if body < 0:
        raise Unread("DO without code")
    if language != "plpgsql":
        raise Unread("a DO block in a language that is not read")
    r.by_value = True
    text = words.text[body]
    tokens = _plain_sql(_tokens(text, conform=words.strings_conform))
    inner = _words(r, text, tokens)
    places = [(start, stop) for start, stop in cut(inner) if inner.word[start:stop] != ["null"]] if tokens else []
    for number, (start, stop) in enumerate(places):
        _check_plain(inner, start, stop)
        facts = r.inside(inner, start, stop)
        absorb(r, facts)
        r.creates += facts.creates
        if facts.settings and number + 1 < len(places):
            raise Unread("a DO block that changes settings on its way")
        if inner.known is not None:
            inner.known = inner.known.after(facts)


def _tokens(text: str, *, conform: bool) -> Tokens:
    try:
        tokens = tokenize(text.encode(), standard_conforming_strings=conform, comments=False)
    except LexError:
        raise Unread("a body that cannot be cut into tokens") from None
    if len(tokens) > BODY_TOKENS_MAX:
        raise Unread("a body that is too long")
    return tokens


def _words(r: Reading, text: str, tokens: Tokens) -> Words:
    words = columns(tokens)
    words.known, words.sql, words.strings_conform = r.words.known, text.encode(), r.words.strings_conform
    return words


def _plain_sql(tokens: Tokens) -> Tokens:
    """The statements between BEGIN and END of a block; PERFORM is SELECT (manual, section 41.5.2)."""
    if tokens and tokens[-1].text == ";" and tokens[-1].kind is Kind.SELF:
        tokens = tokens[:-1]
    if len(tokens) < 2 or not _is(tokens[0], "begin") or not _is(tokens[-1], "end"):
        raise Unread("a DO block with more than BEGIN, plain statements and END")
    if len(tokens) > 2 and not (tokens[-2].text == ";" and tokens[-2].kind is Kind.SELF):
        raise Unread("a DO block with more than BEGIN, plain statements and END")
    statements = tokens[1:-1]
    for at, token in enumerate(statements):
        if _is(token, "perform") and (at == 0 or statements[at - 1][:2] == (Kind.SELF, ";")):
            statements.texts[at] = "select"
    return statements


def _is(token: Token, word: str) -> bool:
    return token.kind is Kind.IDENT and token.text == word


def _check_plain(words: Words, start: int, end: int) -> None:
    """Raises Unread where PL/pgSQL would not hand the statement on as it stands."""
    word = words.word
    if word[start] not in _PLAIN_STARTS or word[start + 1] in _ASSIGNS:
        raise Unread("a DO block with variables, control flow or code of its own")
    if word[start] == "create" and not {"function", "procedure"}.isdisjoint(word[start + 1 : start + 4]):
        raise Unread("a DO block that defines code")
    for at in range(start + 1, end):
        if word[at] == "into" and word[at - 1] not in ("insert", "merge"):
            raise Unread("a DO block that assigns to variables")


