"""What the tokenizer hands out: PostgreSQL's lexical tokens (manual, section 4.1)."""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import compress, repeat
from typing import NamedTuple, overload


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
    COMMENT = 11  # only where asked for; text is the comment with its marks, without blanks behind it


class Token(NamedTuple):
    """One token. `start` and `end` are byte offsets into the whole statement text, end exclusive."""

    kind: Kind
    text: str
    start: int
    end: int


_new = tuple.__new__


class Tokens(Sequence[Token]):
    """The tokens of a text, held in columns with one entry a token in each. A `Token` is made when it is asked for: who
    reads many of them reads the columns."""

    __slots__ = ("ends", "kinds", "starts", "texts")

    def __init__(self, kinds: list[Kind], texts: list[str], starts: list[int], ends: list[int]) -> None:
        self.kinds = kinds
        self.texts = texts
        self.starts = starts
        self.ends = ends

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, at: int) -> Token: ...

    @overload
    def __getitem__(self, at: slice) -> "Tokens": ...

    def __getitem__(self, at: int | slice) -> "Token | Tokens":
        if isinstance(at, slice):
            return Tokens(self.kinds[at], self.texts[at], self.starts[at], self.ends[at])
        return Token(self.kinds[at], self.texts[at], self.starts[at], self.ends[at])

    def __iter__(self) -> Iterator[Token]:
        return map(_new, repeat(Token), zip(self.kinds, self.texts, self.starts, self.ends, strict=True))

    def without_comments(self) -> "Tokens":
        kept = [kind is not Kind.COMMENT for kind in self.kinds]
        return Tokens(
            list(compress(self.kinds, kept)),
            list(compress(self.texts, kept)),
            list(compress(self.starts, kept)),
            list(compress(self.ends, kept)),
        )

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Tokens of {list(self)}"
