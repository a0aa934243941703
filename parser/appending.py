"""Putting something behind the last token of a text that is one statement: before its semicolon and the comments there.

All that stands before it stays where it is, and so do the positions that errors tell.
"""

from parser.tokenizer import LexError, tokenize

_SPACE = b" \t\n\r\f\v"


def appended(sql: bytes, behind: bytes, *, strings_conform: bool = True) -> bytes | None:
    """The text with this behind its statement. None where it cannot be read, or has nothing in it."""
    end = _end(sql, strings_conform)
    return sql[:end] + behind + sql[end:] if end else None


def _end(sql: bytes, strings_conform: bool) -> int:
    if b"--" not in sql and b"/*" not in sql:
        # What ends a token of several characters is never a semicolon: a string, a quoted name end in their quotes.
        return len(sql.rstrip(_SPACE + b";"))
    try:
        tokens = tokenize(sql, standard_conforming_strings=strings_conform, elide_rows=True)
    except LexError:
        return 0
    last = len(tokens) - 1
    while last >= 0 and tokens.texts[last] == ";" and tokens[last].end - tokens[last].start == 1:
        last -= 1
    return tokens.places[1][last] if last >= 0 else 0
