"""What a question matches: every condition by itself, and all of them together."""

import pytest

from gateway.audit.chain import Chain
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.filters import Filter, holds_literal
from gateway.audit.query import Entry, Joiner
from gateway.audit.records import ColumnsInfo, Declared, GrantInfo, RulingInfo, SessionInfo
from gateway.audit.segment import SegmentReader

T = 1_700_000_000_123_456_789
WHO = SessionInfo(
    "s1",
    "alice",
    "local",
    ("analysts",),
    ("agent-7", "agent-9"),
    "10.0.0.9:5000",
    "psql",
    "prod",
    "production",
    "app",
)
WHAT = RulingInfo(
    4,
    "abc",
    "SELECT email FROM customers WHERE id = $1::int",
    "0123456789abcdef",
    ("SELECT",),
    ("public.customers",),
    ("public.customers.email", "public.customers.id"),
    (),
    "allow",
    ("analysts read",),
    GrantInfo("analysts read", "dba@example.com", "T-1"),
    (("public.customers.email", "email"),),
)
SHOWN = ColumnsInfo((("public.customers.email", "email", "redact"),), ("public.customers.id",))


def read(chain: Chain) -> list[Entry]:
    joiner, reader = Joiner(), SegmentReader()
    frames = reader.feed(chain.header + chain.take(T))
    assert reader.header is not None
    joiner.begin(reader.header)
    return [entry for entry in map(joiner.read, frames) if entry is not None]


@pytest.fixture
def trail() -> list[Entry]:
    chain = Chain("db1", 2, b"\xab" * 16, now_ns=T)
    who = SessionCard(WHO)
    intent = chain.intent(T, who, RulingCard(WHAT), (("route", "/orders"),), "A-1")
    chain.outcome(T + 5000, intent, "ok", 3, 120, ColumnsCard(SHOWN), "SELECT", "", 431)
    chain.event(T + 9000, "session", {"what": "closed"}, who)
    chain.event(T + 9000, "policy", {"what": "published", "generation": 5})
    return read(chain)


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        (Filter(), "intent outcome session policy"),
        (Filter(user="alice"), "intent outcome session"),
        (Filter(user="bob"), ""),
        (Filter(actor="agent-9"), "intent outcome session"),
        (Filter(actor="agent"), ""),
        (Filter(database="prod", environment="production"), "intent outcome session"),
        (Filter(table="customers"), "intent outcome"),
        (Filter(table="public.customers"), "intent outcome"),
        (Filter(table="ustomers"), ""),
        (Filter(column="email"), "intent outcome"),
        (Filter(column="customers.id"), "intent outcome"),
        (Filter(column="name"), ""),
        (Filter(decision="allow"), "intent outcome"),
        (Filter(decision="deny"), ""),
        (Filter(text="FROM CUSTOMERS"), "intent outcome"),
        (Filter(session="s1", approval="A-1"), "intent outcome"),
        (Filter(since=T + 5000), "outcome session policy"),
        (Filter(until=T + 5000), "intent"),
        (Filter(user="alice", decision="allow", since=T + 1), "outcome"),
        (Filter(kinds=("policy", "session")), "session policy"),
        (Filter(group="analysts", issuer="local", role="app"), "intent outcome session"),
        (Filter(group="dba"), ""),
        (Filter(client="10.0.0.9"), "intent outcome session"),
        (Filter(client="10.0.0.9:5000"), "intent outcome session"),
        (Filter(client="10.0.0.0/24"), "intent outcome session"),
        (Filter(client="10.0.1.0/24"), ""),
        (Filter(application="psql", grant="analysts read", rule="analysts read"), "intent outcome"),
        (Filter(fingerprint="0123456789abcdef", statement_kind="select"), "intent outcome"),
        (Filter(statement_kind="SEL"), ""),
        (Filter(label="email"), "intent outcome"),
        (Filter(label="name"), ""),
        (Filter(tags=(("route", "/orders"),)), "intent outcome"),
        (Filter(tags=(("route", "/"),)), ""),
        (Filter(policy=4), "intent outcome"),
        (Filter(policy=5), "policy"),
        (Filter(status="ok"), "outcome"),
        (Filter(sqlstate="42501"), ""),
        (Filter(min_rows=3), "outcome"),
        (Filter(min_rows=4), ""),
        (Filter(masked="customers.email"), "outcome"),
        (Filter(masked="id"), ""),
        (Filter(clear="id"), "outcome"),
        (Filter(place="production"), "intent outcome session"),
        (Filter(place="prod"), "intent outcome session"),
        (Filter(place="customers"), "intent outcome"),
        (Filter(place="orders"), ""),
        (Filter(ticket="T-1"), ""),
    ],
)
def test_conditions_must_all_hold(trail: list[Entry], asked: Filter, kinds: str) -> None:
    assert " ".join(each.kind for each in trail if asked.matches(each)) == kinds


def test_what_was_declared_is_found_by_ticket_and_by_words() -> None:
    said = Declared("Look for DUPLICATES", ticket="T-9")
    entry = Entry("db1-0.ab", 1, T, "intent", SessionInfo("s1", "alice"), WHAT, declared=said, literals=bytes(range(16)))
    for asked, expected in (
        (Filter(ticket="T-9"), True),
        (Filter(ticket="T-8"), False),
        (Filter(reason="duplicates"), True),
        (Filter(reason="x"), False),
        (Filter(ticket="T-9", reason="look", literal=bytes(range(8))), True),
        (Filter(literal=bytes(range(8, 16))), True),
        (Filter(literal=bytes(range(1, 9))), False),
    ):
        assert asked.matches(entry) is expected, asked


def test_a_digest_is_found_at_its_place_alone() -> None:
    assert holds_literal(b"aaaaaaab" + b"aaaaaaaa", b"aaaaaaaa")
    assert not holds_literal(b"baaaaaaa" + b"abbbbbbb", b"aaaaaaab")
    assert not holds_literal(b"", b"aaaaaaab")


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="network"):
        Filter(client="10.0.0.0/99")
    entry = Entry("db1-0.ab", 1, T, "session", SessionInfo("s1", "alice", address="unix"))
    assert not Filter(client="10.0.0.0/8").matches(entry)
