"""A session without sockets: the test plays client, relay and server, with a real policy, catalogue and audit."""

from collections.abc import Sequence
from struct import error, unpack_from

from gateway.audit.chain import Chain
from gateway.audit.defined import SessionCard
from gateway.audit.literals import Literals
from gateway.audit.query import Entry, Joiner
from gateway.audit.records import SessionInfo, Status
from gateway.audit.segment import SegmentReader
from gateway.classify.catalog import Catalog
from gateway.classify.own import NOTHING, Own
from gateway.errors import Refused
from gateway.identity.principal import Principal
from gateway.masking.distinct import Seen
from gateway.masking.row_keys import Accounting
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.decision import Budget
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.session.declaring import Said
from gateway.session.loops import Trail, Trails
from gateway.session.session import Session
from gateway.settings import load as load_settings
from parser.messages import command_complete, error_response, frame, ready_for_query
from tests.gateway.masking.shop import CUSTOMERS, VARCHAR, catalog, data_row, description

NOW = 1_800_000_000
MASK_KEY = b"k" * 32
LITERALS = Literals(b"l" * 32)
SETTINGS = """
[[issuer]]
name = "local"
issuer = "https://sluice.local"
audience = "sluice"
key_file = "local-issuer.pub"
[[database]]
name = "shop"
user = "sluice"
"""
READ = """
[[grant]]
name = "readers"
allow = ["read"]
"""
WRITE = """
[[grant]]
name = "writers"
allow = ["read", "write"]
"""
ALL = """
[[grant]]
name = "owners"
allow = ["all"]
"""
CLEAR = """
[[grant]]
name = "auditors"
allow = ["all"]
unmask = ["*"]
"""
PATH = (("search_path", "public"),)  # reported by the server, as from PostgreSQL 18 on
AUDIT_FAILS = Refused("58030", "the audit cannot be written")

PARSED, BOUND, CLOSED, NO_DATA, SUSPENDED = (frame(kind) for kind in (b"1", b"2", b"3", b"n", b"s"))
DONE = command_complete("SELECT 1")
READY = ready_for_query(b"I")
IN_TRANSACTION = ready_for_query(b"T")
EMAIL = frame(b"T", description(("email", CUSTOMERS, 3, VARCHAR)))
VALUE = frame(b"T", description(("?column?", 0, 0, 25)))
SECRET = b"ann@shop.example"
SECRET_ROW = data_row(SECRET)
SYNC = frame(b"S")
FLUSH = frame(b"H")
COPY_DONE = frame(b"c")


def scope_of(
    policy: str,
    *,
    conforming: bool = True,
    made: frozenset[str] = frozenset(),
    own: Own = NOTHING,
    moved: frozenset[str] = frozenset(),
    path: tuple[str, ...] | None = None,
    generation: int = 1,
    known: Catalog | None = None,
    accounting: Accounting | None = None,
) -> Scope:
    settings = load_settings(SETTINGS, "sluice.toml", {})
    table = PolicyTable(policy_compile.compile([rules.load(policy, "policy.toml")], settings))
    principal = Principal("alice", "local", (), (), NOW + 3600.0, "t1")
    rights = table.rights(principal, "shop", "", float(NOW), generation, None)
    return Scope(
        rights,
        known or catalog(),
        table.digest,
        strings_conform=conforming,
        made=made,
        own=own,
        moved=moved,
        search_path=path,
        mask_key=MASK_KEY,
        accounting=accounting,
        literals=LITERALS,
    )


def cut(data: bytes) -> list[bytes]:
    """Whole frames; fails when something is left over."""
    found, at = [], 0
    while at < len(data):
        end = at + 1 + unpack_from("!i", data, at + 1)[0]
        assert end <= len(data), "a frame is cut short"
        found.append(data[at:end])
        at = end
    return found


def frames_of(data: bytes) -> list[bytes]:
    """Whole frames, or the data as it is where a long frame is handed on in parts."""
    try:
        return cut(data)
    except (AssertionError, error):
        return [data]


def kinds(frames: Sequence[bytes]) -> bytes:
    return b"".join(one[:1] for one in frames)


def field(letter: str, report: bytes) -> str:
    """A field of an ErrorResponse or NoticeResponse, "" where it is missing."""
    parts = (part for part in report[5:].split(b"\0") if part[:1] == letter.encode())
    return next((part[1:].decode() for part in parts), "")


def failure(sqlstate: str, message: str = "it failed", detail: str = "") -> bytes:
    return error_response("ERROR", sqlstate, message, detail)


class Counter:
    """A budget that only this session uses."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.spent = 0

    def left(self, now: int) -> int:
        return max(self.most - self.spent, 0)

    def spend(self, amount: int, now: int) -> None:
        self.spent += amount


class Met:
    """A budget of different people that one session alone uses."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.hashes: set[int] = set()
        self.unknown = 0

    @property
    def count(self) -> int:
        return len(self.hashes) + self.unknown

    def exceeded(self, now: int) -> bool:
        return self.count > self.most

    def meet(self, seen: Seen, now: int, *, must: bool = False) -> bool:
        hashes = self.hashes.union(seen.hashes.tolist())
        within = len(hashes) + self.unknown + seen.unknown <= self.most
        if within or must:
            self.hashes = hashes
            self.unknown += seen.unknown
        return within


class Rig:
    """One session. `to_server` and `to_client` keep all that went out; `ask` and `say` give what left because of them."""

    def __init__(
        self,
        policy: str = READ,
        *,
        parameters: Sequence[tuple[str, str]] = (),
        tells_path: bool = True,
        frame_bytes_max: int = 1 << 16,
        accounting: Accounting | None = None,
        said: Said | None = None,
    ) -> None:
        self.policy = policy
        self.purses: dict[str, Counter] = {}
        self.crowds: dict[str, Met] = {}
        self.catalog: Catalog | None = None
        self.accounting = accounting
        self.chain = Chain("host", 0, bytes(16))
        card = SessionCard(SessionInfo("s1", "alice", role="app"))
        self.session = Session(
            scope_of(policy, path=("public",) if tells_path else None, accounting=accounting),
            self._rescope,
            self.chain,
            card,
            [*(PATH if tells_path else ()), *parameters],
            frame_bytes_max,
            self._purse,
            self._crowd,
            said,
            loops=self,
        )
        self.trails = Trails()
        self.stopped: list[str] = []
        self.now = NOW * 10**9
        self.to_server = b""
        self.to_client = b""
        self.rescoped = 0

    def _rescope(self, session: Session) -> Scope:
        self.rescoped += 1
        return scope_of(
            self.policy,
            known=self.catalog,
            conforming=session.conforming,
            made=session.made,
            own=session.own,
            moved=session.moved,
            path=session.search_path,
            accounting=self.accounting,
            generation=self.rescoped + 1,
        )

    def trail(self, rule: str, shape: str) -> Trail:
        return self.trails.trail("alice", rule, shape)

    def stop(self, rule: str) -> None:
        self.stopped.append(rule)

    def _crowd(self, budget: Budget) -> "Met":
        return self.crowds.setdefault(budget.setting, Met(budget.most))

    def _purse(self, budget: Budget) -> Counter:
        return self.purses.setdefault(budget.what, Counter(budget.most))

    def ask(self, *frames: bytes, audit_fails: bool = False) -> list[bytes]:
        """The client's bytes, then the commit; what goes to the server."""
        self.now += 1000
        self.session.client(b"".join(frames), self.now)
        if audit_fails:
            self.chain.take(self.now)
            self.session.refuse_staged(AUDIT_FAILS)
            self.chain.failed(self.now, "58030", abandon=False)
            self.chain.again(self.now)
        else:
            self.session.staged.clear()
        return self._moved()[0]

    def say(self, *frames: bytes) -> list[bytes]:
        """The server's bytes; what goes to the client."""
        self.now += 1000
        self.session.server(b"".join(frames), self.now)
        return self._moved()[1]

    def again(self) -> list[bytes]:
        """The relay's look at a client that waited for an answer; what goes to the server."""
        return self.ask(b"") if self.session.waiting and not self.session.queue else []

    def _moved(self) -> tuple[list[bytes], list[bytes]]:
        up, down = b"".join(self.session.to_server), b"".join(self.session.to_client)
        self.session.to_server.clear()
        self.session.to_client.clear()
        self.to_server += up
        self.to_client += down
        return frames_of(up), frames_of(down)

    def close(self, status: Status = "client-gone") -> None:
        self.session.close(status, self.now)

    def entries(self) -> list[Entry]:
        """The audit so far, intents and outcomes."""
        reader = SegmentReader()
        frames = reader.feed(self.chain.header + self.chain.take(self.now))
        assert reader.header is not None
        joiner = Joiner()
        joiner.begin(reader.header)
        return [entry for entry in map(joiner.read, frames) if entry is not None]

    def outcomes(self) -> list[tuple[str, str, int]]:
        """(first kind, status, rows) of every outcome."""
        return [
            (entry.ruling.kinds[0], entry.outcome.status, entry.outcome.rows)
            for entry in self.entries()
            if entry.outcome is not None and entry.ruling is not None
        ]

    def intents(self) -> int:
        return sum(entry.kind == "intent" for entry in self.entries())
