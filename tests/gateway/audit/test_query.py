"""Reading back: the contract's fields, the joins and the filters."""

import pytest

from gateway.audit.chain import Chain
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.query import Entry, Joiner, moment, timestamp, to_json
from gateway.audit.records import ColumnsInfo, Declared, GrantInfo, RulingInfo, SessionInfo
from gateway.audit.segment import Frame, SegmentReader

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
    model="model-5",
    run="run-9",
    method="oauthbearer",
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
SAID = Declared("clean-up", ("public.orders",), "read", "T-12", "session", ("reads public.customers",))
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
    intent = chain.intent(T, who, RulingCard(WHAT), (("route", "/orders"),), "A-1", b"\xab" * 8 + bytes(8), SAID)
    changed = (("public.orders", 3), ("public.payments", -1))
    chain.outcome(T + 5000, intent, "ok", 3, 120, ColumnsCard(SHOWN), "SELECT", "", 431, changed)
    chain.event(T + 9000, "session", {"what": "closed"}, who)
    chain.event(T + 9000, "policy", {"what": "published", "generation": 5})
    return read(chain)


COMMON = {
    "session": "s1",
    "user": "alice",
    "issuer": "local",
    "groups": ["analysts"],
    "actor": ["agent-7", "agent-9"],
    "client": {"address": "10.0.0.9:5000", "application": "psql"},
    "database": "prod",
    "environment": "production",
    "role": "app",
    "token_id": "",
    "model": "model-5",
    "run": "run-9",
    "account": "",
    "method": "oauthbearer",
}
STATEMENT = {
    "grant": {"name": "analysts read", "granted_by": "dba@example.com", "reason": "T-1"},
    "statement": "SELECT email FROM customers WHERE id = $1::int",
    "fingerprint": "0123456789abcdef",
    "statement_kind": "SELECT",
    "tables": ["public.customers"],
    "columns_read": ["public.customers.email", "public.customers.id"],
    "columns_written": [],
    "labels": {"public.customers.email": "email"},
    "declared": {
        "reason": "clean-up",
        "tables": ["public.orders"],
        "effect": "read",
        "ticket": "T-12",
        "source": "session",
        "mismatch": ["reads public.customers"],
    },
    "literals": ["ab" * 8, "00" * 8],
    "decision": "allow",
    "rules": ["analysts read"],
    "approval": "A-1",
    "policy": {"generation": 4, "hash": "abc"},
    "tags": {"route": "/orders", "application_name": "psql"},
}


def test_an_intent_has_the_contracts_fields(trail: list[Entry]) -> None:
    head = {"id": "db1-2.abababab-3", "time": "2023-11-14T22:13:20.123456Z", "kind": "intent"}
    assert to_json(trail[0]) == head | COMMON | STATEMENT


def test_an_outcome_has_its_intents_fields_and_its_own(trail: list[Entry]) -> None:
    head = {"id": "db1-2.abababab-5", "time": "2023-11-14T22:13:20.123461Z", "kind": "outcome"}
    own = {
        "intent": "db1-2.abababab-3",
        "status": "ok",
        "rows": 3,
        "bytes": 120,
        "columns_masked": [{"column": "public.customers.email", "label": "email", "mask": "redact"}],
        "columns_clear": ["public.customers.id"],
        "command": "SELECT",
        "sqlstate": "",
        "duration_us": 431,
        "affected": {"public.orders": 3, "public.payments": None},
        "disclosed": [],
    }
    assert to_json(trail[1]) == head | COMMON | STATEMENT | own


def test_events_have_their_facts_and_who_they_concern(trail: list[Entry]) -> None:
    closed, published = to_json(trail[2]), to_json(trail[3])
    assert closed["event"] == {"what": "closed"}
    assert closed["user"] == "alice"
    assert published["event"] == {"what": "published", "generation": 5}
    assert "user" not in published


def test_only_a_weak_sign_in_says_that_it_is_weak() -> None:
    for weak in (True, False):
        who = SessionInfo("s1", "svc-a", method="scram", weak=weak)
        record = to_json(Entry("db1-0.ab", 1, T, "session", who))
        assert record["method"] == "scram"
        assert record.get("weak", False) is weak
        assert ("weak" in record) is weak


def test_a_number_without_its_definition_is_an_error() -> None:
    joiner = Joiner()
    with pytest.raises(ValueError, match="definition"):
        joiner.read(Frame(4, 1, T, b"\x94\x01\x02\xc0\xa0", 0, 0))


def test_moments_are_dates_times_or_ages() -> None:
    now = 1_700_000_000 * 10**9
    assert moment("15m", now) == now - 900 * 10**9
    assert moment("7d", now) == now - 7 * 86400 * 10**9
    assert moment("2023-11-14T22:13:20Z", 0) == now
    assert moment("2023-11-14T23:13:20+01:00", 0) == now
    assert moment("2023-11-14", 0) == (now // 86400_000_000_000) * 86400_000_000_000
    for wrong in ("", "m", "yesterday", "-5m", "٣m"):
        with pytest.raises(ValueError, match=r"."):
            moment(wrong, now)


def test_times_keep_their_microseconds() -> None:
    assert timestamp(T) == "2023-11-14T22:13:20.123456Z"
    assert moment(timestamp(T), 0) == T // 1000 * 1000


def test_what_was_declared_and_named_is_known_in_the_next_segment_too() -> None:
    chain = Chain("db1", 2, b"\xab" * 16, now_ns=T)
    intent = chain.intent(T, SessionCard(WHO), RulingCard(WHAT), literals=b"\xab" * 8, declared=SAID)
    chain.take(T, end="segment")
    chain.committed()
    chain.next_segment(T)
    changed = (("public.orders", 3),)
    chain.outcome(T, intent, "ok", 3, 0, None, "UPDATE", "", 1, changed)
    (entry,) = read(chain)
    assert (entry.literals, entry.declared) == (b"\xab" * 8, SAID)
    assert entry.outcome is not None
    assert entry.outcome.affected == changed
