"""The session's named statements, portals and cursors, as the server has answered them.

SQL PREPARE and Parse share one namespace, DECLARE and Bind another. A name enters when the server confirms it. In
between it is known as under way, and trusted only by messages that the server will skip if that definition fails:
those before the next Sync.

The server cuts a name at 63 bytes (NAMEDATALEN) and reads it in the client_encoding of the moment, so that two names of
ours may be one of its own. Only short ASCII names are kept: they mean the same always.
"""

from dataclasses import replace
from typing import Final

from mypy_extensions import i64

from gateway.errors import Refused, State
from gateway.scope import Scope
from gateway.session.inflight import Item, Portal, Statement
from parser.facts import Facts

NAMES_MAX = 10_000  # statements, portals and cursors of one session, each
TEXT_BYTES_MAX: Final = 16 * 1024 * 1024  # prepared texts of one session, together
NAME_BYTES_MAX: Final = 63

NO_STATEMENT: Final = Refused("26000", "this prepared statement does not exist", "Prepare it in this session first.")
NO_PORTAL: Final = Refused("34000", "this portal does not exist", "Bind it in this transaction first.")
_FULL: Final = Refused(
    State.BUDGET,
    "this session holds too many prepared statements, portals or cursors",
    "Close or deallocate those that are no longer needed.",
)
_UNCERTAIN: Final = Refused(
    State.FEATURE,
    f"names of prepared statements and portals have at most {NAME_BYTES_MAX} characters, all of them ASCII",
    "Give it a shorter name in ASCII.",
)
_WITH_HOLD: Final = " with hold for "


def name_end(frame: bytes, start: int) -> int:
    """Where the name ends that begins there: the place of its NUL, -1 where there is none. Names are short, and calling
    `find` costs more than looking at their bytes; what is longer than a name can be is left to it."""
    at: i64 = start
    end: i64 = min(len(frame), start + NAME_BYTES_MAX + 1)
    while at < end:
        if i64(frame[at]) == 0:
            return at
        at += 1
    return frame.find(0, at)


class Ambiguous(Exception):
    """The name is being redefined across a Sync: only the server's answer tells what it means."""


class Names:
    """See the module."""

    __slots__ = (
        "_cursors", "_pending_portals", "_pending_statements", "_portals", "_prepared", "_statements", "_text_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self._statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, Portal] = {}
        self._prepared: dict[str, Facts] = {}  # SQL PREPARE
        self._cursors: dict[str, Facts] = {}  # SQL DECLARE, whole
        self._pending_statements: dict[bytes, Item] = {}
        self._pending_portals: dict[bytes, Item] = {}
        self._text_bytes = 0

    def ask_statement(self, item: Item) -> None:
        """A Parse goes out."""
        self._pending_statements[item.name] = item

    def ask_portal(self, item: Item) -> None:
        """A Bind goes out."""
        self._pending_portals[item.name] = item

    def statement(self, name: bytes, epoch: int) -> Statement | None:
        """The statement a Bind in this epoch would use. Raises Ambiguous."""
        pending = self._pending_statements.get(name)
        if pending is not None:
            if pending.epoch != epoch:
                raise Ambiguous
            return pending.statement
        return self._statements.get(name)

    def portal(self, name: bytes, epoch: int) -> Portal | None:
        """The portal an Execute in this epoch would run. Raises Ambiguous."""
        pending = self._pending_portals.get(name)
        if pending is not None:
            if pending.epoch != epoch:
                raise Ambiguous
            return pending.portal
        return self._portals.get(name)

    def prepared(self, name: str, scope: Scope) -> Facts | None:
        """What EXECUTE name would run in this scope, whether PREPARE or Parse made it. Raises Ambiguous."""
        if name.encode() in self._pending_statements:
            raise Ambiguous
        facts = self._prepared.get(name)
        if facts is not None:
            return facts
        statement = self._statements.get(name.encode())
        rulings = statement.in_scope(scope).rulings if statement is not None else ()
        return rulings[0].facts if len(rulings) == 1 else None

    def cursor(self, name: str) -> Facts | None:
        """What FETCH FROM name reads, whether DECLARE or Bind made it. Raises Ambiguous."""
        if name.encode() in self._pending_portals:
            raise Ambiguous
        declared = self._cursors.get(name)
        if declared is not None:
            return declared.inner
        portal = self._portals.get(name.encode())
        if portal is None or len(portal.statement.script.rulings) != 1:
            return None
        return portal.statement.script.rulings[0].facts

    def confirm_statement(self, item: Item) -> None:
        """ParseComplete."""
        if self._pending_statements.get(item.name) is item:
            del self._pending_statements[item.name]
        statement = item.statement
        assert statement is not None
        self.drop_statement(item.name)
        self._text_bytes += len(statement.sql)
        self._statements[item.name] = statement

    def confirm_portal(self, item: Item) -> None:
        """BindComplete."""
        if self._pending_portals.get(item.name) is item:
            del self._pending_portals[item.name]
        assert item.portal is not None
        self.drop_portal(item.name)
        self._portals[item.name] = item.portal

    def abandon(self, item: Item) -> None:
        """The message failed or was skipped: what it would have defined or described is not."""
        if item.portal is not None:
            item.portal.asked = False
        if self._pending_statements.get(item.name) is item:
            del self._pending_statements[item.name]
        if self._pending_portals.get(item.name) is item:
            del self._pending_portals[item.name]

    def drop_statement(self, name: bytes) -> None:
        """CloseComplete or DEALLOCATE."""
        gone = self._statements.pop(name, None)
        if gone is not None:
            self._text_bytes -= len(gone.sql)
        prepared = self._prepared.pop(name.decode("utf-8", "replace"), None)
        if prepared is not None:
            self._text_bytes -= _size(prepared)

    def drop_portal(self, name: bytes) -> None:
        """CloseComplete or CLOSE."""
        self._portals.pop(name, None)
        if self._cursors:
            self._cursors.pop(name.decode("utf-8", "replace"), None)

    def settle(self, facts: Facts) -> None:
        """A statement on names has completed."""
        named = facts.named
        assert named is not None
        match named.action:
            case "prepare" if facts.inner is not None:
                name = named.name.encode()
                self.drop_statement(name)
                if self.objection(name, _size(facts.inner)) is None:
                    self._prepared[named.name] = facts.inner
                    self._text_bytes += _size(facts.inner)
            case "declare" if facts.inner is not None:
                name = named.name.encode()
                self.drop_portal(name)
                if self.objection(name, 0) is None:
                    # The server has settled what it reads: it is never read anew.
                    self._cursors[named.name] = replace(facts, inner=replace(facts.inner, text=b""))
            case "deallocate" if named.name == "*":
                self.forget_statements()
            case "deallocate":
                self.drop_statement(named.name.encode())
            case "close" if named.name == "*":
                self._portals.clear()
                self._cursors.clear()
            case "close":
                self.drop_portal(named.name.encode())
            case _:
                pass

    def forget_statements(self) -> None:
        """DEALLOCATE ALL, DISCARD ALL."""
        self._statements.clear()
        self._prepared.clear()
        self._text_bytes = 0

    def forget_sql(self) -> None:
        """Code ran that cannot be read: what PREPARE and DECLARE defined is not known any more."""
        self._text_bytes -= sum(_size(facts) for facts in self._prepared.values())
        self._prepared.clear()
        self._cursors.clear()

    def transaction_ended(self) -> None:
        """Portals end with the transaction, cursors too unless they are WITH HOLD."""
        if self._portals:
            self._portals.clear()
        if self._cursors:
            self._cursors = {name: facts for name, facts in self._cursors.items() if _WITH_HOLD in facts.shape}

    def objection(self, name: bytes, text_bytes: int) -> Refused | None:
        """Why one more thing of this name cannot be kept."""
        if name and (not name.isascii() or len(name) > NAME_BYTES_MAX):
            return _UNCERTAIN
        if (
            len(self._statements) + len(self._prepared) + len(self._pending_statements) >= NAMES_MAX
            or len(self._portals) + len(self._cursors) + len(self._pending_portals) >= NAMES_MAX
            or self._text_bytes + text_bytes > TEXT_BYTES_MAX
        ):
            return _FULL
        return None


def _size(facts: Facts) -> int:
    """What a statement that PREPARE made takes up: its text is kept, to be read again."""
    return len(facts.shape) + len(facts.text)
