"""The exact reader of PostgreSQL's tokens: every rule of its lexer (manual, section 4.1), over a piece of the text."""

import re

from parser.literals import LexError, clip, escaped, is_escape_character, text_of, unicode_escaped
from parser.rows import Rows, is_mark
from parser.tokens import Kind, Token

SELF = frozenset(",()[].;:+-*/%^<>=")
_new = tuple.__new__
_A_SELF, _AN_IDENT = Kind.SELF, Kind.IDENT  # taken out of the class once: each look there is slow

# One token, or the beginning of a long one, after white space.
_NEXT = re.compile(
    r"""
    [ \t\n\r\f\v]*+ (?:
      (?P<string> [EeBbXxNn]? ' | [Uu]&' )
    | (?P<quoted> (?: [Uu]& )? " )
    | (?P<name> [A-Za-z_\x80-\xff] [A-Za-z0-9_$\x80-\xff]*+ )
    | (?P<radix> 0 (?: [xX] _? [0-9a-fA-F]++ (?: _ [0-9a-fA-F]++ )*
                     | [oO] _? [0-7]++ (?: _ [0-7]++ )*
                     | [bB] _? [01]++ (?: _ [01]++ )* ) )
    | (?P<number> (?: [0-9]++ (?: _ [0-9]++ )* (?: \. (?!\.) (?: [0-9]++ (?: _ [0-9]++ )* )? )?
                    | \. [0-9]++ (?: _ [0-9]++ )* )
                  (?: [eE] [-+]? [0-9]++ (?: _ [0-9]++ )* )? )
    | (?P<line> -- [^\n\r]*+ )
    | (?P<block> /\* )
    | (?P<run> [-+*/%^<>=~!@\#&|`?]++ )
    | (?P<mark> [,()\[\];] )
    | (?P<dots> :: | := | \.\. | : | \. )
    | (?P<param> \$ [0-9]++ )
    | (?P<dollar> \$ (?: [A-Za-z_\x80-\xff] [A-Za-z0-9_\x80-\xff]*+ )? \$ )
    | (?P<alone> \$ (?: [A-Za-z_\x80-\xff] [A-Za-z0-9_\x80-\xff]*+ )? )
    | (?P<end> \Z )
    | (?P<odd> [\s\S] )
    )
    """,
    re.VERBOSE,
)
_IS = _NEXT.groupindex
_STRING, _QUOTED, _NAME, _RADIX, _NUMBER = (_IS[n] for n in ("string", "quoted", "name", "radix", "number"))
_LINE, _BLOCK, _RUN, _MARK, _DOTS = (_IS[n] for n in ("line", "block", "run", "mark", "dots"))
_PARAM, _DOLLAR, _END = (_IS[n] for n in ("param", "dollar", "end"))

_LETTER = r"A-Za-z_\x80-\xff"
_JUNK = re.compile(f"[{_LETTER}]")
_RADIX_JUNK = re.compile(f"[{_LETTER}0-9$]")
_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_BETWEEN = re.compile(r"(?:[ \t\n\r\f\v]++|--[^\n\r]*+)*")
_NEWLINE = re.compile(r"[\n\r]")
_UNDOUBLED = re.compile(r"[^']*+")
_DOUBLED = re.compile(r"[^']*+(?:''[^']*+)*")
_BACKSLASHED = re.compile(r"[^'\\]*+(?:(?:''|\\[\s\S])[^'\\]*+)*")
_IN_NAME = re.compile(r'[^"]*+(?:""[^"]*+)*')
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_UESCAPE = re.compile(r"uescape(?![A-Za-z0-9_$\x80-\xff])", re.IGNORECASE | re.ASCII)
_NEVER_SQL = re.compile(r"[~!@#^&|`?%]")  # characters that no operator of the SQL standard has
_LARGEST_PARAM = 2**31 - 1


class _MoreNeeded(Exception):
    """No fault: the token may go on in bytes that have not come yet."""


class Scanner:
    """Reads the tokens of `text` (bytes as Latin-1), which begins `base` bytes into the statement text, into `out`.

    `standard` is standard_conforming_strings, `comments` asks for comments, `rows` leaves out plain rows of long
    VALUES lists. Unless `final`, a token is given out only where no byte that may follow could change it."""

    __slots__ = ("base", "comments", "final", "out", "rows", "standard", "text")

    def __init__(
        self, text: str, base: int, final: bool, standard: bool, comments: bool, rows: Rows | None
    ) -> None:
        self.text = text
        self.base = base
        self.final = final
        self.standard = standard
        self.comments = comments
        self.rows = rows
        self.out: list[Token] = []

    def read(self) -> int:
        """Returns where in `text` the first token held back begins; LexError at the first bad one."""
        text, out, base, match, rows = self.text, self.out, self.base, _NEXT.match, self.rows
        sure = len(text) if self.final else len(text) - 3  # three more bytes settle a short token: 1e+5, 0x_f
        pos = start = 0
        if rows and not rows.depth and is_mark(rows.before, ")"):
            pos = rows.after(text, 0)
        try:
            while True:
                found = match(text, pos)
                assert found is not None
                what = found.lastindex
                assert what is not None
                start, pos = found.span(what)
                if what == _MARK:
                    out.append(_new(Token, (_A_SELF, text[start:pos], base + start, base + pos)))
                    if rows and rows.depth >= 0 and rows.ended(text[start], self.before(2)):
                        pos = rows.after(text, pos)
                elif what == _STRING:
                    pos = self.string(start, pos)
                elif what == _QUOTED:
                    pos = self.quoted(start, pos)
                elif what == _DOLLAR:
                    pos = self.dollar(start, pos)
                elif what == _BLOCK:
                    pos = self.block(start)
                    if self.comments:
                        self.give(Kind.COMMENT, _value(text[start:pos]), start, pos)
                elif what == _END or pos > sure:
                    return start
                elif what == _NAME:
                    name = text[start:pos]
                    name = name.lower() if name.isascii() else _value(_lower(name))
                    if rows and name == "values" and not is_mark(self.before(1), "."):
                        rows.depth = 0
                    out.append(_new(Token, (_AN_IDENT, clip(name), base + start, base + pos)))
                else:
                    pos = self.short(what, start, pos)
        except _MoreNeeded:
            return start
        finally:
            if rows and out:
                rows.before = out[-1]

    def before(self, back: int) -> Token | None:
        """The token that is `back` tokens before the next one, as far as it is known."""
        if len(self.out) >= back:
            return self.out[-back]
        return self.rows.before if self.rows else None

    def give(self, kind: Kind, value: str, start: int, end: int) -> int:
        self.out.append(_new(Token, (kind, value, self.base + start, self.base + end)))
        return end

    def bad(self, start: int, why: str) -> LexError:
        return LexError(self.base + start, why)

    def short(self, what: int, start: int, end: int) -> int:
        """A token that the expression took whole: numbers, operators, parameters, line comments."""
        text = self.text
        if what == _RUN:
            return self.operators(start, end)
        if what == _NUMBER:
            return self.number(start, end)
        if what == _DOTS:
            return self.give(Kind.SELF if end == start + 1 else Kind.OPERATOR, text[start:end], start, end)
        if what == _LINE:
            if self.comments:
                comment = text[start:end].rstrip(" \t\f\v")
                self.give(Kind.COMMENT, _value(comment), start, start + len(comment))
            return end
        if what == _PARAM:
            if _JUNK.match(text, end):
                raise self.bad(start, "trailing junk after a parameter")
            digits = text[start + 1 : end].lstrip("0") or "0"
            if len(digits) > 10 or int(digits) > _LARGEST_PARAM:
                raise self.bad(start, "a parameter number that is too large")
            return self.give(Kind.PARAM, "$" + digits, start, end)
        if what == _RADIX:
            if _RADIX_JUNK.match(text, end):
                raise self.bad(start, "trailing junk after a number")
            return self.give(Kind.INTEGER, text[start:end], start, end)
        raise self.bad(start, "a character that begins no token")

    def number(self, start: int, end: int) -> int:
        raw = self.text[start:end]
        if _JUNK.match(self.text, end):
            raise self.bad(start, "trailing junk after a number")
        if self.text.startswith("$", end):
            # 1e5$ and 1_0$ are a digit and a name with a dollar sign in it: the longer match wins, and it is junk.
            tail = raw[len(raw.rstrip(_WORD)) :]
            if tail and not tail.isdigit():
                raise self.bad(start, "trailing junk after a number")
        numeric = not raw.isdigit() and ("." in raw or "e" in raw or "E" in raw)
        return self.give(Kind.NUMERIC if numeric else Kind.INTEGER, raw, start, end)

    def operators(self, start: int, end: int) -> int:
        """A run of operator characters: it ends before a comment, and plus and minus cannot end an operator of more
        characters unless it has one that no operator of the standard has."""
        run = self.text[start:end]
        for comment in ("--", "/*"):
            cut = run.find(comment)
            if cut > 0:
                run = run[:cut]
        size = len(run) if _NEVER_SQL.search(run) else len(run.rstrip("+-"))
        if size > 63:
            raise self.bad(start, "an operator that is too long")
        if size:
            self.give(Kind.SELF if run[:size] in SELF else Kind.OPERATOR, run[:size], start, start + size)
        for at in range(size, len(run)):  # what was cut off is plus and minus signs: each is a token of its own
            self.give(_A_SELF, run[at], start + at, start + at + 1)
        return start + len(run)

    def unended(self, start: int, what: str) -> Exception:
        return self.bad(start, f"unterminated {what}") if self.final else _MoreNeeded()

    def block(self, start: int) -> int:
        """The end of the comment that begins at `start`; comments nest."""
        depth = 0
        for edge in _BLOCK_EDGE.finditer(self.text, start):
            depth += 1 if edge[0] == "/*" else -1
            if not depth:
                return edge.end()
        raise self.unended(start, "comment")

    def dollar(self, start: int, opened: int) -> int:
        tag = self.text[start:opened]
        closed = self.text.find(tag, opened)
        if closed < 0:
            raise self.unended(start, "dollar-quoted string")
        return self.give(Kind.STRING, _value(self.text[opened:closed]), start, closed + len(tag))

    def string(self, start: int, opened: int) -> int:
        """'…' and its prefixed forms, with the pieces that follow in later lines."""
        text = self.text
        prefix = text[start].lower()
        backslashes = prefix == "e" or (not self.standard and prefix in "'n")
        if prefix == "u" and not self.standard:
            raise self.bad(start, "a string with Unicode escapes while standard_conforming_strings is off")
        body = _BACKSLASHED if backslashes else _UNDOUBLED if prefix in "bx" else _DOUBLED
        pieces = []
        while True:
            found = body.match(text, opened)
            assert found is not None
            closed = found.end()
            if not text.startswith("'", closed):
                raise self.unended(start, "quoted string")
            pieces.append(text[opened:closed])
            opened = self.goes_on(closed + 1)
            if not opened:
                break
        end = closed + 1
        offset = self.base + start
        if backslashes:
            value = text_of(b"".join([escaped(piece, offset) for piece in pieces]), offset)
        elif prefix == "u":
            mark, end = self.uescape(end)
            value = unicode_escaped("".join(pieces).replace("''", "'"), mark, offset)
        else:
            value = _value("".join(pieces))
            if prefix in "bx":
                return self.give(Kind.BITS if prefix == "b" else Kind.HEX, value, start, end)
            value = value.replace("''", "'")
        return self.give(Kind.STRING, value, start, end)

    def goes_on(self, after: int) -> int:
        """Where the next piece of a string begins, or 0: white space with a newline in it, then a quote."""
        text = self.text
        if after == len(text):
            if self.final:
                return 0
            raise _MoreNeeded
        if text[after] not in " -\n\r\t\f\v":
            return 0
        found = _BETWEEN.match(text, after)
        assert found is not None
        stop = found.end()
        if not self.final and (stop == len(text) or (stop + 1 == len(text) and text[stop] == "-")):
            raise _MoreNeeded
        return stop + 1 if text.startswith("'", stop) and _NEWLINE.search(text, after, stop) else 0

    def quoted(self, start: int, opened: int) -> int:
        text = self.text
        found = _IN_NAME.match(text, opened)
        assert found is not None
        closed = found.end()
        if closed == len(text) or (closed + 1 == len(text) and not self.final):
            raise self.unended(start, "quoted name")
        if closed == opened:
            raise self.bad(start, "a quoted name of no characters")
        end = closed + 1
        name = text[opened:closed].replace('""', '"')
        if opened > start + 1:
            mark, end = self.uescape(end)
            return self.give(Kind.QUOTED, clip(unicode_escaped(name, mark, self.base + start)), start, end)
        return self.give(Kind.QUOTED, clip(_value(name)), start, end)

    def uescape(self, after: int) -> tuple[str, int]:
        """The escape character of the U& token that ends at `after`, and where the token with its UESCAPE clause ends."""
        text = self.text
        at = self.gap(after)
        if not self.final and at + 8 > len(text):
            raise _MoreNeeded
        found = _UESCAPE.match(text, at)
        if not found:
            return "\\", after
        at = self.gap(found.end())
        token = _NEXT.match(text, at)
        assert token is not None
        start, opened = token.span(token.lastindex or 0)
        if not self.final and opened + 3 > len(text):
            raise _MoreNeeded
        if token.lastindex == _DOLLAR:
            end = self.dollar(start, opened)
        elif token.lastindex == _STRING and text[start] in "'eE":
            end = self.string(start, opened)
        else:
            raise self.bad(at, "UESCAPE without a simple string behind it")
        mark = self.out.pop().text
        if not is_escape_character(mark):
            raise self.bad(at, "an invalid Unicode escape character")
        return mark, end

    def gap(self, at: int) -> int:
        """The end of the white space and the comments that begin at `at`."""
        text = self.text
        while True:
            found = _BETWEEN.match(text, at)
            assert found is not None
            at = found.end()
            if not self.final and (at == len(text) or (at + 1 == len(text) and text[at] in "-/")):
                raise _MoreNeeded
            if not text.startswith("/*", at):
                return at
            at = self.block(at)


def _value(raw: str) -> str:
    """Latin-1 reading to text."""
    return raw if raw.isascii() else raw.encode("latin-1").decode()


def _lower(raw: str) -> str:
    """ASCII letters folded, all else left as it is: what the server does in UTF-8."""
    return raw.encode("latin-1").lower().decode("latin-1")
