"""PostgreSQL's lexer: bytes of SQL to tokens (manual, section 4.1; the rules of versions 13 to 18).

Two readers give the same tokens. `Tokenizer` takes the text in any pieces and has the exact reader (scanner.py) do it.
`tokenize` takes whole texts; it first tries one regular expression over all of it, which knows the plain forms only,
and hands a text with anything else in it (comments, escapes, dollar quotes, odd numbers) to the exact reader.

Where the versions differ the later reading is taken: a number or parameter with letters behind it (`1a`, `$1a`) is an
error as from 15 on, `1_000` and `0x1f` are one number as from 16 on, vertical tab is white space as from 16 on. An older
server takes `1_000` for a number and a column label, and the tab for a syntax error: it never sees more than we do.

Inside, text is the bytes read as Latin-1: one character a byte, so positions are byte offsets; every text that leaves
is turned into UTF-8 again. The bytes were proved to be UTF-8 before.
"""

import codecs
import re
from itertools import accumulate, repeat

from parser.literals import LexError
from parser.scanner import SELF, Scanner
from parser.tokens import Kind, Token

__all__ = ["LexError", "Tokenizer", "tokenize"]

# --- the quick reader: one expression over the whole text ---

# What the group takes is a token in its plain form; what it does not take, and is no white space, makes the group empty
# (None in the list that split() gives), and the exact reader has to do it. No alternative can match in two ways: the
# time is linear. The text is in lower case here.
_PLAIN = re.compile(
    r"""
    ( [a-z_] [a-z0-9_$]{0,62}+ (?! [a-z0-9_$\x80-\xff'] | &['"] )     # a name with no string on its heels
    | [,()\[\];]
    | [0-9]++ (?: \. [0-9]++ )? (?! [0-9a-z_.$\x80-\xff] )
    | ' [^']*+ ' (?! ' | [ \t\f\v]*+ (?: [\r\n] | -- ) )              # a string that cannot go on in the next line
    | \. (?! [0-9.] )
    | -? [*%^<>=~!@\#&|`?]{1,60}+ (?! [-+*/%^<>=~!@\#&|`?] )
    | [-+/] (?! [-+*/%^<>=~!@\#&|`?] )
    | :: | := | :
    | \$ [1-9] [0-9]{0,8}+ (?! [0-9a-z_\x80-\xff] )
    | " [^"\x80-\xff]{1,63}+ " (?! " )
    )
    | [^\ \t\n\r\f\v] [a-z0-9_$\x80-\xff]*+ [-+*/%^<>=~!@\#&|`?]*+
    """,
    re.VERBOSE,
)
_split = _PLAIN.split
_new = tuple.__new__

# Members are taken out of the class once: from there each look costs as much as making a token.
_IDENT, _QUOTED, _STRING, _INTEGER, _NUMERIC = Kind.IDENT, Kind.QUOTED, Kind.STRING, Kind.INTEGER, Kind.NUMERIC

# The kind of a whole text where one is known, else of its first character.
_KIND_OF_TEXT: dict[str, Kind] = dict.fromkeys(SELF, Kind.SELF)
_KIND_OF_FIRST: dict[str, Kind] = (
    dict.fromkeys("~!@#^&|`?+-*/%<>=:", Kind.OPERATOR)
    | dict.fromkeys("0123456789", _INTEGER)
    | dict.fromkeys("abcdefghijklmnopqrstuvwxyz_", _IDENT)
    | {"'": _STRING, '"': _QUOTED, "$": Kind.PARAM}
)


def _plain(sql: bytes) -> list[Token] | None:
    """The tokens of a text made of plain forms only, else None."""
    parts = _split(sql.lower().decode("latin-1"))
    try:
        edges = list(accumulate(map(len, parts)))
    except TypeError:  # a None: something the expression does not know
        return None
    texts = parts[1::2]
    starts, ends = edges[0::2], edges[1::2]
    known, first = _KIND_OF_TEXT.get, _KIND_OF_FIRST
    kinds = [known(text) or first[text[0]] for text in texts]
    if b"'" in sql or b'"' in sql or b"." in sql:
        for at, kind in enumerate(kinds):
            if kind is _IDENT:
                continue
            if kind is _STRING or kind is _QUOTED:
                texts[at] = sql[starts[at] + 1 : ends[at] - 1].decode()
            elif kind is _INTEGER and "." in texts[at]:
                kinds[at] = _NUMERIC
    return list(map(_new, repeat(Token), zip(kinds, texts, starts, ends, strict=False)))


# --- what the rest of the house calls ---


def tokenize(sql: bytes, *, standard_conforming_strings: bool = True, comments: bool = False) -> list[Token]:
    """The tokens of a whole text, comments among them only where asked for (never those inside a token, between the
    pieces of a string). LexError where the server's lexer would refuse it, or where it is no UTF-8 or has a zero byte."""
    if b"\0" in sql:
        raise LexError(sql.index(b"\0"), "a zero byte")
    if not sql.isascii():
        try:
            sql.decode()
        except UnicodeDecodeError as fault:
            raise LexError(fault.start, "invalid UTF-8") from None
    if standard_conforming_strings or b"\\" not in sql:
        tokens = _plain(sql)
        if tokens is not None:
            return tokens
    reader = Scanner(sql.decode("latin-1"), 0, True, standard_conforming_strings, comments)
    reader.read()
    return reader.out


class Tokenizer:
    """The same tokens from a text that comes in pieces of any size.

    Memory is bounded by the piece and twice the token that is not yet complete: after a try that ended inside a token
    the next one is made when the bytes waiting have doubled, so that the time stays linear. A LexError ends it: every
    later call raises it again. Of several faults it raises the first it meets, which need not be the one tokenize() names.
    """

    def __init__(self, *, standard_conforming_strings: bool = True, comments: bool = False) -> None:
        self._standard = standard_conforming_strings
        self._comments = comments
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._waiting: list[bytes] = []
        self._size = 0
        self._enough = 1
        self._base = 0
        self._fault: LexError | None = None

    def feed(self, chunk: bytes) -> list[Token]:
        """The tokens that are certain now, in order, each given once."""
        return self._take(chunk, False)

    def close(self) -> list[Token]:
        """The rest of the tokens: the text ends here."""
        return self._take(b"", True)

    def _take(self, chunk: bytes, final: bool) -> list[Token]:
        if self._fault:
            raise self._fault
        try:
            self._check(chunk, final)
            self._waiting.append(chunk)
            self._size += len(chunk)
            if self._size < self._enough and not final:
                return []
            text = b"".join(self._waiting).decode("latin-1")
            reader = Scanner(text, self._base, final, self._standard, self._comments)
            stop = reader.read()
        except LexError as fault:
            self._fault = fault
            raise
        self._waiting = [text[stop:].encode("latin-1")]
        self._size = len(text) - stop
        self._enough = 2 * self._size
        self._base += stop
        return reader.out

    def _check(self, chunk: bytes, final: bool) -> None:
        where = self._base + self._size
        if b"\0" in chunk:
            raise LexError(where + chunk.index(b"\0"), "a zero byte")
        try:
            self._utf8.decode(chunk, final)
        except UnicodeDecodeError as fault:
            cut = len(fault.object) - len(chunk)  # bytes of a character that began in the piece before
            raise LexError(where - cut + fault.start, "invalid UTF-8") from None
