"""PostgreSQL's lexer: bytes of SQL to tokens (manual, section 4.1; the rules of versions 13 to 18).

Two readers give the same tokens. `Tokenizer` takes the text in any pieces and has the exact reader (scanner.py) do it.
`tokenize` takes whole texts; it first tries one regular expression over all of it, which knows the plain
forms only, and hands a text with anything else in it (escapes, dollar quotes, nested comments, odd numbers) to the exact
reader. Where it is asked for, most plain rows of a long VALUES list are left out (rows.py).

Where the versions differ the later reading is taken: a number or parameter with letters behind it (`1a`, `$1a`) is an
error as from 15 on, `1_000` and `0x1f` are one number as from 16 on, vertical tab is white space as from 17 on. An older
server takes `1_000` for a number and a column label, and the tab for a syntax error: it never sees more than we do.

Inside, text is the bytes read as Latin-1: one character a byte, so positions are byte offsets; every text that leaves
is turned into UTF-8 again. The bytes were proved to be UTF-8 before.
"""

import codecs
import re
from itertools import accumulate, repeat
from operator import add
from typing import TypeVar

from parser.literals import LexError, clip
from parser.rows import Rows
from parser.scanner import SELF, Scanner
from parser.tokens import Kind, Places, Token, Tokens

__all__ = ["LexError", "Tokenizer", "tokenize"]

# --- the quick reader: one expression over the whole text ---

# Each part is a token in its plain form with the white space behind it; the most frequent ones come first, as alternatives
# of their own. What is none makes the group empty and takes the rest of the text with it: the exact reader has to do it.
# No alternative can match in two ways: the time is linear.
_parts = re.compile(
    r"""
    ( [A-Za-z_\x80-\xff] [A-Za-z0-9_$\x80-\xff]*+ [ \t\n\r\f\v]*+
    | [,()\[\];] [ \t\n\r\f\v]*+
    | \. (?! [0-9.] ) [ \t\n\r\f\v]*+
    | (?:
      = (?! [-+*/%^<>=~!@\#&|`?] )
    | (?<! [A-Za-z0-9_$&\x80-\xff] ) ' [^']*+ (?: '' [^']*+ )*+ '                   # a string without a prefix,
      (?! (?: [ \t\n\r\f\v]++ | --[^\n\r]*+ )*+ ' )                                 # that does not go on in the next line
    | [0-9]++ (?: \. [0-9]++ )? (?! [0-9A-Za-z_.$\x80-\xff] )
    | [<>=]{1,2}+ (?= [-+] [^-+*/%^<>=~!@\#&|`?] )
    | -? [*%^<>=~!@\#&|`?]{1,60}+ (?! [-+*/%^<>=~!@\#&|`?] )
    | -- [^\n\r]*+
    | /\* [^*/]*+ (?: (?: \* (?! / ) | / (?! \* ) ) [^*/]*+ )*+ \*/                 # a comment with none inside
    | [-+/] (?! [-+*/%^<>=~!@\#&|`?] )
    | :: | := | :
    | \$ [1-9] [0-9]{0,8}+ (?! [0-9A-Za-z_\x80-\xff] )
    | (?<! & ) " [^"]++ " (?! " )
    ) [ \t\n\r\f\v]*+ )
    | [\s\S]++
    """,
    re.VERBOSE,
).findall
_SPACE = " \t\n\r\f\v"

# Members are taken out of the class once: from there each look costs as much as making a token.
_IDENT, _QUOTED, _STRING, _COMMENT = Kind.IDENT, Kind.QUOTED, Kind.STRING, Kind.COMMENT
_OPERATOR, _SELF, _INTEGER = Kind.OPERATOR, Kind.SELF, Kind.INTEGER
# The kind of a token by its first character; what begins with a mark may be longer than the mark.
_KIND_OF_FIRST: dict[str, Kind] = (
    dict.fromkeys("~!@#^&|`?+-*/%<>=:,()[];.", _OPERATOR)
    | dict.fromkeys("0123456789", _INTEGER)
    | {"'": _STRING, '"': _QUOTED, "$": Kind.PARAM}
)
_LONGEST_KEPT = 40
_MOST_KEPT = 4096
_V = TypeVar("_V", Kind, str)


class _Seen(dict[str, _V]):
    """What is known of the tokens seen lately, by their raw text: keywords, names and marks come again and again, and to
    look into a dict is a tenth of the work. Literals and comments are never kept, and the memory is bounded."""

    __slots__ = ()

    def keep(self, raw: str, value: _V) -> _V:
        if len(raw) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[raw] = value
        return value


class _Kinds(_Seen[Kind]):
    __slots__ = ()

    def __missing__(self, raw: str) -> Kind:
        kind = _KIND_OF_FIRST.get(raw[0], _IDENT)
        if kind is _STRING or kind is _QUOTED:
            return kind
        if kind is _INTEGER:
            return Kind.NUMERIC if "." in raw else kind
        if kind is _OPERATOR:
            if raw.startswith(("--", "/*")):
                return _COMMENT
            kind = _SELF if raw in SELF else kind
        return self.keep(raw, kind)


class _Texts(_Seen[str]):
    """Decoded, folded, cut."""

    __slots__ = ()

    def __missing__(self, raw: str) -> str:
        kind = _KIND_OF_FIRST.get(raw[0], _IDENT)
        if kind is _STRING:
            text = raw[1:-1]
            if "''" in text:
                text = text.replace("''", "'")
            return text if text.isascii() else text.encode("latin-1").decode()
        if kind is _IDENT:
            return self.keep(raw, clip(raw.lower() if raw.isascii() else raw.encode("latin-1").lower().decode()))
        text = raw if raw.isascii() else raw.encode("latin-1").decode()
        if kind is _QUOTED:
            return clip(text[1:-1])
        return text if kind is _INTEGER or raw.startswith(("--", "/*")) else self.keep(raw, text)


_kinds_seen, _texts_seen = _Kinds(), _Texts()
_kind_of, _text_of = _kinds_seen.__getitem__, _texts_seen.__getitem__


def _plain(sql: bytes, comments: bool) -> Tokens | None:
    """The tokens of a text made of plain forms only, else None."""
    text = sql.decode("latin-1").lstrip(_SPACE)
    parts = _parts(text)
    if parts and not parts[-1]:  # something that the expression does not know
        return None
    commented = b"--" in sql or b"/*" in sql
    # A comment may end in a control character, and a letter's last byte, read as Latin-1, may look like white space.
    stripped = map(str.rstrip, parts, repeat(_SPACE)) if commented or not sql.isascii() else map(str.rstrip, parts)
    raw = list(stripped)

    def places() -> Places:
        starts = list(accumulate(map(len, parts), initial=len(sql) - len(text)))
        starts.pop()
        return starts, list(map(add, starts, map(len, raw)))

    tokens = Tokens(list(map(_kind_of, raw)), list(map(_text_of, raw)), places)
    return tokens.without_comments() if commented and not comments else tokens


# --- what the rest of the house calls ---

_LONG = 4096  # bytes, from which on a list of rows is worth a look
_BULK = re.compile(rb"values[ \t\n\r\f\v]*+\(", re.IGNORECASE)
_PIECE = 64 * 1024
_FEW = 16  # bytes a token: a text whose rows are not left out has 3 to 10


def tokenize(
    sql: bytes, *, standard_conforming_strings: bool = True, comments: bool = False, elide_rows: bool = False
) -> Tokens:
    """The tokens of a whole text, comments among them only where asked for (never those inside a token, between the
    pieces of a string). With `elide_rows` rows of plain values may be left out of a long VALUES list, never its first or
    its last. LexError where the server's lexer would refuse the text, or where it is no UTF-8 or has a zero byte."""
    if elide_rows and len(sql) >= _LONG and _BULK.search(sql):
        tokens = _in_pieces(sql, standard_conforming_strings, comments)
        if tokens is not None:
            return _in_columns(tokens)
    if b"\0" in sql:
        raise LexError(sql.index(b"\0"), "a zero byte")
    if not sql.isascii():
        try:
            sql.decode()
        except UnicodeDecodeError as fault:
            raise LexError(fault.start, "invalid UTF-8") from None
    if standard_conforming_strings or b"\\" not in sql:
        plain = _plain(sql, comments)
        if plain is not None:
            return plain
    reader = Scanner(sql.decode("latin-1"), 0, True, standard_conforming_strings, comments, None)
    reader.read()
    return _in_columns(reader.out)


def _in_columns(tokens: list[Token]) -> Tokens:
    kinds, texts, starts, ends = map(list, zip(*tokens, strict=True)) if tokens else ([], [], [], [])
    return Tokens(kinds, texts, lambda: (starts, ends))


def _in_pieces(sql: bytes, standard: bool, comments: bool) -> list[Token] | None:
    """A long text through the exact reader, which leaves out plain rows; None where its first piece shows that it has few of
    them, for then the quick reader is the faster one."""
    reader = Tokenizer(standard_conforming_strings=standard, comments=comments, elide_rows=True)
    tokens = reader.feed(sql[:_PIECE])
    if len(tokens) * _FEW > _PIECE < len(sql):
        return None
    for at in range(_PIECE, len(sql), _PIECE):
        tokens += reader.feed(sql[at : at + _PIECE])
    return tokens + reader.close()


class Tokenizer:
    """The same tokens from a text that comes in pieces of any size.

    Memory is bounded by the piece and twice the token that is not yet complete: after a try that ended inside a token
    the next one is made when the bytes waiting have doubled, so that the time stays linear. A LexError ends it: every
    later call raises it again. Of several faults it raises the first it meets, which need not be the one tokenize() names.
    """

    def __init__(
        self, *, standard_conforming_strings: bool = True, comments: bool = False, elide_rows: bool = False
    ) -> None:
        self._standard = standard_conforming_strings
        self._rows = Rows(standard_conforming_strings) if elide_rows else None
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
            reader = Scanner(text, self._base, final, self._standard, self._comments, self._rows)
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
