"""What the tokenizer hands out: PostgreSQL's lexical tokens (manual, section 4.1)."""

from collections.abc import Sequence
from enum import IntEnum
from itertools import repeat
from typing import NamedTuple


class Kind(IntEnum):
    """A token's lexical class. Whether an identifier is a keyword depends on where it stands: that is the reader's
    business, so keywords arrive as IDENT (folded to lower case) and quoted names as QUOTED."""

    IDENT = 1  # unquoted identifier or keyword, ASCII-folded to lower case, cut at 63 bytes
    QUOTED = 2  # "…" or U&"…", unescaped, cut at 63 bytes
    STRING = 3  # '…', E'…', U&'…', N'…', $tag$…$tag$; text is the decoded value
    BITS = 4  # B'…'; text is what stands between the quotes
    HEX = 5  # X'…'; text is what stands between the quotes
    INTEGER = 6  # of any size: 42, 1_000, 0x1f, 0o17, 0b1
    NUMERIC = 7  # a number with a point or exponent
    PARAM = 8  # $1
    OPERATOR = 9  # longest-match operator, also := :: .. => <= >= <> !=
    SELF = 10  # one of , ( ) [ ] . ; : + - * / % ^ < > =
    COMMENT = 11  # only where asked for; text is the comment with its marks


class Token(NamedTuple):
    """One token. `start` and `end` are byte offsets into the whole statement text, end exclusive."""

    kind: Kind
    text: str
    start: int
    end: int


_new = tuple.__new__


class Columns(NamedTuple):
    """The tokens of a text in columns, one entry a token in each: `Token` says what they mean."""

    kinds: Sequence[Kind]
    texts: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int]

    def tokens(self) -> list[Token]:
        return list(map(_new, repeat(Token), zip(*self, strict=True)))
