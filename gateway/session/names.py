"""The session's named statements, portals and cursors, as the server has answered them.

SQL PREPARE and Parse share one namespace, DECLARE and Bind another. A name enters when the server confirms it. In
between it is known as under way, and trusted only by messages that the server will skip if that definition fails:
those before the next Sync.
"""

from gateway.session.inflight import Item, Portal, Statement
from parser.facts import Facts

NAMES_MAX = 10_000  # statements, portals and cursors of one session, each
TEXT_BYTES_MAX = 16 * 1024 * 1024  # prepared texts of one session, together


class Ambiguous(Exception):
    """The name is being redefined across a Sync: only the server's answer tells what it means."""


class Full(Exception):
    """The session holds as many named things as it may."""


class Names:
    """See the module."""

    __slots__ = (
        "_cursors", "_pending_portals", "_pending_statements", "_portals", "_prepared", "_statements", "_text_bytes",
    )  # fmt: skip

    def __init__(self) -> None:
        self._statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, Portal] = {}
        self._prepared: dict[str, Facts] = {}  # SQL PREPARE
        self._cursors: dict[str, Facts] = {}  # SQL DECLARE
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

    def prepared(self, name: str) -> Facts | None:
        """What EXECUTE name would run, whether PREPARE or Parse made it. Raises Ambiguous."""
        if name.encode() in self._pending_statements:
            raise Ambiguous
        facts = self._prepared.get(name)
        if facts is not None:
            return facts
        statement = self._statements.get(name.encode())
        if statement is None or len(statement.script.rulings) != 1:
            return None
        return statement.script.rulings[0].facts

    def cursor(self, name: str) -> Facts | None:
        """What FETCH FROM name reads, whether DECLARE or Bind made it. Raises Ambiguous."""
        if name.encode() in self._pending_portals:
            raise Ambiguous
        facts = self._cursors.get(name)
        if facts is not None:
            return facts
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
        self._portals[item.name] = item.portal

    def abandon(self, item: Item) -> None:
        """The definition failed or was skipped."""
        if self._pending_statements.get(item.name) is item:
            del self._pending_statements[item.name]
        if self._pending_portals.get(item.name) is item:
            del self._pending_portals[item.name]

    def drop_statement(self, name: bytes) -> None:
        """CloseComplete or DEALLOCATE."""
        gone = self._statements.pop(name, None)
        if gone is not None:
            self._text_bytes -= len(gone.sql)
        self._prepared.pop(name.decode("utf-8", "replace"), None)

    def drop_portal(self, name: bytes) -> None:
        """CloseComplete or CLOSE."""
        self._portals.pop(name, None)
        self._cursors.pop(name.decode("utf-8", "replace"), None)

    def settle(self, facts: Facts) -> None:
        """A statement on names has completed."""
        named = facts.named
        assert named is not None
        match named.action:
            case "prepare" if facts.inner is not None:
                self.drop_statement(named.name.encode())
                self._prepared[named.name] = facts.inner
            case "declare" if facts.inner is not None:
                self.drop_portal(named.name.encode())
                self._cursors[named.name] = facts.inner
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
        self._prepared.clear()
        self._cursors.clear()

    def transaction_ended(self) -> None:
        """Portals of the protocol end with the transaction; cursors may be WITH HOLD and stay known."""
        if self._portals:
            self._portals.clear()

    def make_room(self, text_bytes: int) -> None:
        """Raises Full when one more named thing would be too many."""
        if (
            len(self._statements) + len(self._prepared) + len(self._pending_statements) >= NAMES_MAX
            or len(self._portals) + len(self._cursors) + len(self._pending_portals) >= NAMES_MAX
            or self._text_bytes + text_bytes > TEXT_BYTES_MAX
        ):
            raise Full
