"""What the tokenizer hands out: PostgreSQL's lexical tokens (manual, section 4.1)."""

from collections.abc import Callable, Iterator, Sequence
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


LITERALS = frozenset((Kind.STRING, Kind.BITS, Kind.HEX, Kind.INTEGER, Kind.NUMERIC))


class Token(NamedTuple):
    """One token. `start` and `end` are byte offsets into the whole statement text, end exclusive."""

    kind: Kind
    text: str
    start: int
    end: int


_new = tuple.__new__


Places = tuple[list[int], list[int]]  # where each token starts, where it ends


class Tokens(Sequence[Token]):
    """The tokens of a text, held in columns with one entry a token in each. A `Token` is made when it is asked for, as are
    the places: who reads many tokens reads the columns, and hardly ever where they stand."""

    __slots__ = ("_find", "_places", "kinds", "texts")

    def __init__(self, kinds: list[Kind], texts: list[str], find: Callable[[], Places]) -> None:
        """`find` gives the places."""
        self.kinds = kinds
        self.texts = texts
        self._find = find
        self._places: Places | None = None

    @property
    def places(self) -> Places:
        places = self._places
        if places is None:
            places = self._places = self._find()
        return places

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, at: int) -> Token: ...

    @overload
    def __getitem__(self, at: slice) -> "Tokens": ...

    def __getitem__(self, at: int | slice) -> "Token | Tokens":
        starts, ends = self.places
        if isinstance(at, slice):
            return Tokens(self.kinds[at], self.texts[at], lambda: (starts[at], ends[at]))
        return Token(self.kinds[at], self.texts[at], starts[at], ends[at])

    def __iter__(self) -> Iterator[Token]:
        return map(_new, repeat(Token), zip(self.kinds, self.texts, *self.places, strict=True))

    def without_comments(self) -> "Tokens":
        kept = [kind is not Kind.COMMENT for kind in self.kinds]

        def places() -> Places:
            starts, ends = self.places
            return list(compress(starts, kept)), list(compress(ends, kept))

        return Tokens(list(compress(self.kinds, kept)), list(compress(self.texts, kept)), places)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Tokens of {list(self)}"
