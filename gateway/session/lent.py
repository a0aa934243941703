"""A server's connection that is lent for one transaction: what is prepared there under the gateway's own names.

A client's name means something in its session alone, so the server never sees it. A text is prepared once on a connection
for all sessions that ask for the same text, with the same types of parameters.
"""

from parser.messages import frame as build

PREPARED_MAX = 200  # on one connection; the one unused for longest goes

NOBODYS = b"sluice_none"  # no statement ever has this name
_PREFIX = b"sluice_s"

Key = tuple[bytes, object]  # the text with its types, and the lending that it is for alone


class Prepared:
    """One prepared statement. `epoch`: of the Parse that is under way, -1 once the server has confirmed it. `parameters` and
    `row` are the bodies of its descriptions, None where the server was not asked."""

    __slots__ = ("epoch", "key", "name", "parameters", "row")

    def __init__(self, key: Key, name: bytes, epoch: int) -> None:
        self.key = key
        self.name = name
        self.epoch = epoch
        self.parameters: bytes | None = None
        self.row: bytes | None = None


class Lent:
    """See the module. `turn` is another object at each lending. `local`: settings of this transaction may have others read
    text in another way, so that what is prepared now is for this lending alone. `path`: the search_path that it has between
    transactions, None where it was not asked."""

    __slots__ = ("_known", "_made", "closing", "local", "path", "turn")

    def __init__(self) -> None:
        self._known: dict[Key, Prepared] = {}  # the one unused for longest comes first
        self._made = 0
        self.closing: list[Prepared] = []  # not known any more, and still there
        self.turn = object()
        self.local = False
        self.path: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self._known)

    def begin(self) -> None:
        """It is lent anew."""
        self.turn = object()
        self.local = False

    def key(self, text: bytes) -> Key:
        """What a text is prepared as now."""
        return text, self.turn if self.local else None

    def find(self, key: Key) -> Prepared | None:
        """What is prepared so; it counts as used."""
        prepared = self._known.pop(key, None)
        if prepared is not None:
            self._known[key] = prepared
        return prepared

    def make(self, key: Key, epoch: int) -> Prepared:
        """A name for a Parse that is sent now. What had this text before, and what is too much, is to be closed."""
        self._made += 1
        former = self._known.pop(key, None)
        if former is None and len(self._known) >= PREPARED_MAX:
            former = self._known.pop(next(iter(self._known)))
        if former is not None:
            self.closing.append(former)
        prepared = self._known[key] = Prepared(key, b"%s%d" % (_PREFIX, self._made), epoch)
        return prepared

    def clear(self) -> None:
        """DEALLOCATE ALL went through: drivers say it behind a rollback, and to everybody here it costs a Parse."""
        self._known.clear()
        self.closing.clear()

    def forget(self, prepared: Prepared) -> None:
        """It does not stand on the server, or not for what it should."""
        if self._known.get(prepared.key) is prepared:
            del self._known[prepared.key]


def close(name: bytes) -> bytes:
    """The Close of a statement."""
    return build(b"C", b"S" + name + b"\0")
