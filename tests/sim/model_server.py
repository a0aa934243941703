"""A model of PostgreSQL's protocol state machine, small enough to be read against the manual (section 55.2).

It knows a handful of texts: `select N`, `begin`, `commit`, `rollback`, `boom` (fails), `prepare NAME as TEXT`,
`execute NAME`, `deallocate NAME`, `declare NAME cursor for TEXT`, `fetch NAME`. Like the real server it keeps its
answers until Sync, Flush or the end of a simple query, and discards everything between an error and the next Sync.
"""

from struct import pack, unpack_from

Frame = tuple[bytes, bytes]


def build(kind: bytes, body: bytes = b"") -> bytes:
    """One frame."""
    return kind + pack("!i", len(body) + 4) + body


class Failure(Exception):
    """A statement fails with this SQLSTATE."""


class ModelServer:
    """See the module. `refused`: texts that fail with 42501 when they are read (how the gateway must look from outside)."""

    def __init__(self, refused: frozenset[str] = frozenset()) -> None:
        self.refused = refused
        self.executed: list[str] = []
        self.status = b"I"
        self._rest = b""
        self._held: list[bytes] = []
        self._skipping = False
        self._statements: dict[str, str] = {}
        self._portals: dict[str, str] = {}
        self._cursors = self._portals  # one namespace

    def feed(self, data: bytes) -> bytes:
        """The answers that leave because of these bytes."""
        self._rest += data
        sent: list[bytes] = []
        while len(self._rest) >= 5:
            end = 1 + unpack_from("!i", self._rest, 1)[0]
            if len(self._rest) < end:
                break
            kind, body, self._rest = self._rest[:1], self._rest[5:end], self._rest[end:]
            if self._take(kind, body):
                sent += self._held
                self._held = []
        return b"".join(sent)

    def _take(self, kind: bytes, body: bytes) -> bool:
        if kind == b"H":
            return True
        if kind == b"S":
            self._skipping = False
            self._end_implicit()
            self._say(b"Z", self.status)
            return True
        if self._skipping:
            return False
        if kind == b"Q":
            self._query(body[:-1].decode())
            return True
        try:
            getattr(self, f"_on_{kind.decode()}")(body)
        except Failure as failure:
            self._fail(failure)
            self._skipping = True
        return False

    def _say(self, kind: bytes, body: bytes = b"") -> None:
        self._held.append(build(kind, body))

    def _fail(self, failure: Failure) -> None:
        self._say(b"E", b"SERROR\0VERROR\0C" + str(failure).encode() + b"\0Mfailed\0\0")
        if self.status == b"T":
            self.status = b"E"
        else:
            self._portals.clear()

    def _end_implicit(self) -> None:
        if self.status == b"I":
            self._portals.clear()

    def _query(self, text: str) -> None:
        texts = [one.strip() for one in text.split(";") if one.strip()]
        self._statements.pop("", None)
        try:
            for one in texts:
                self._read(one)
            if not texts:
                self._say(b"I")
            for one in texts:
                self._run(one, describe=True)
        except Failure as failure:
            self._fail(failure)
        self._end_implicit()
        self._say(b"Z", self.status)

    def _read(self, text: str) -> None:
        if text == "sluice_refused":
            raise Failure("42601")
        if text in self.refused:
            raise Failure("42501")
        if self.status == b"E" and text not in ("rollback", "commit"):
            raise Failure("25P02")

    def _run(self, text: str, *, describe: bool) -> None:
        if self.status == b"E" and text not in ("rollback", "commit"):
            raise Failure("25P02")
        words = text.split()
        self.executed.append(text)
        match words[0]:
            case "select":
                self._rows(words[1], describe)
                self._say(b"C", b"SELECT 1\0")
            case "begin":
                self.status = b"T"
                self._say(b"C", b"BEGIN\0")
            case "commit" | "rollback":
                done = "ROLLBACK" if self.status == b"E" else words[0].upper()
                self.status = b"I"
                self._say(b"C", done.encode() + b"\0")
            case "boom":
                raise Failure("22012")
            case "prepare":
                if words[1] in self._statements:
                    raise Failure("42P05")
                self._statements[words[1]] = " ".join(words[3:])
                self._say(b"C", b"PREPARE\0")
            case "execute":
                if words[1] not in self._statements:
                    raise Failure("26000")
                inner = self._statements[words[1]]
                if inner.split()[0] != "select":
                    raise Failure("42501")  # the gateway refuses what changes the session under a name
                self._run(inner, describe=describe)
            case "deallocate":
                if self._statements.pop(words[1], None) is None:
                    raise Failure("26000")
                self._say(b"C", b"DEALLOCATE\0")
            case "declare":
                if self.status != b"T":
                    raise Failure("25P01")
                if words[1] in self._cursors:
                    raise Failure("42P03")
                self._cursors[words[1]] = " ".join(words[4:])
                self._say(b"C", b"DECLARE CURSOR\0")
            case "fetch":
                if words[1] not in self._cursors:
                    raise Failure("34000")
                self._rows(self._cursors[words[1]].split()[1], describe)
                self._say(b"C", b"FETCH 1\0")
            case _:
                raise Failure("42601")

    def _description(self) -> bytes:
        return pack("!h", 1) + b"n\0" + pack("!ihihih", 0, 0, 25, -1, -1, 0)

    def _rows(self, value: str, describe: bool) -> None:
        if describe:
            self._say(b"T", self._description())
        self._say(b"D", pack("!hi", 1, len(value)) + value.encode())

    def _on_P(self, body: bytes) -> None:
        name, text, _ = body.split(b"\0", 2)
        if not name:
            self._statements.pop("", None)
        self._read(text.decode())
        if name.decode() in self._statements:
            raise Failure("42P05")
        self._statements[name.decode()] = text.decode()
        self._say(b"1")

    def _on_B(self, body: bytes) -> None:
        portal, name, _ = body.split(b"\0", 2)
        if name.decode() not in self._statements:
            raise Failure("26000")
        text = self._statements[name.decode()]
        if self.status == b"E" and text not in ("rollback", "commit"):
            raise Failure("25P02")
        if portal and portal.decode() in self._portals:
            raise Failure("42P03")
        self._portals[portal.decode()] = text
        self._say(b"2")

    def _on_D(self, body: bytes) -> None:
        name = body[1:-1].decode()
        held = self._statements if body[:1] == b"S" else self._portals
        if name not in held:
            raise Failure("26000" if body[:1] == b"S" else "34000")
        if body[:1] == b"S":
            self._say(b"t", pack("!h", 0))
        if held[name].split()[0] in ("select", "execute", "fetch"):
            self._say(b"T", self._description())
        else:
            self._say(b"n")

    def _on_E(self, body: bytes) -> None:
        name = body.split(b"\0", 1)[0].decode()
        if name not in self._portals:
            raise Failure("34000")
        self._run(self._portals[name], describe=False)

    def _on_C(self, body: bytes) -> None:
        held = self._statements if body[:1] == b"S" else self._portals
        held.pop(body[1:-1].decode(), None)
        self._say(b"3")
