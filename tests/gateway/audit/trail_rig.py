"""Random trails with every field that can be asked for, and random questions about them."""

import random
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit import records
from gateway.audit.filters import Filter
from gateway.audit.records import (
    Carried,
    ColumnsInfo,
    Declared,
    GrantInfo,
    Intent,
    Lost,
    Outcome,
    Rows,
    RulingInfo,
    SessionInfo,
    State,
)
from gateway.audit.segment import Header, encode_header, frame

T = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
encode = msgspec.msgpack.Encoder().encode
COLUMNS = ("public.customers.email", "public.customers.id", "sales.orders.total", "public.t.id")
TABLES = ("public.customers", "sales.orders", "public.t")
DIGESTS = [bytes([each]) * 8 for each in range(1, 9)]


def some(rng: random.Random, values: Any, most: int = 2) -> tuple[Any, ...]:
    return tuple(rng.sample(list(values), rng.randint(0, most)))


def session(rng: random.Random) -> SessionInfo:
    return SessionInfo(
        f"s{rng.randint(1, 12)}",
        rng.choice(("alice", "bob", "carol")),
        rng.choice(("local", "idp")),
        some(rng, ("analysts", "dba", "agents")),
        some(rng, ("agent-7", "agent-9")),
        rng.choice(("10.0.0.9:5000", "10.1.0.1:99", "[::1]:7", "unix")),
        rng.choice(("psql", "app", "")),
        rng.choice(("prod", "shop")),
        rng.choice(("production", "staging")),
        rng.choice(("app", "reader")),
        f"jti-{rng.randint(1, 5)}",
        rng.choice(("", "m-1")),
        rng.choice(("", "run-1")),
    )


def ruling(rng: random.Random) -> RulingInfo:
    kinds = rng.choice((("SELECT",), ("UPDATE",), ("DROP TABLE",), ("INSERT", "SELECT"), ("SET",)))
    return RulingInfo(
        rng.randint(1, 3),
        "abc",
        f"{kinds[0]} FROM x{rng.randint(1, 9)}",
        f"f{rng.randint(1, 6)}",
        kinds,
        some(rng, TABLES),
        some(rng, COLUMNS),
        some(rng, COLUMNS, 1),
        rng.choice(("allow", "allow", "deny", "hold", "warn")),
        some(rng, ("r1", "r2")),
        rng.choice((None, GrantInfo("g1", "dba", "T-1"), GrantInfo("g2"))),
        tuple((each, "email") for each in some(rng, COLUMNS, 1)),
    )


def columns(rng: random.Random) -> ColumnsInfo:
    masked = tuple((each, rng.choice(("email", "name")), "redact") for each in some(rng, COLUMNS))
    return ColumnsInfo(masked, some(rng, COLUMNS))


class Segment:
    """One segment's bytes, frame by frame."""

    def __init__(self, header: Header, seq: int) -> None:
        self.header = header
        self.data = encode_header(header)
        self.seq = seq
        self.now = header.time_ns
        self.numbers = 0

    def put(self, kind: int, said: object) -> int:
        self.seq += 1
        self.data += frame(kind, self.seq, self.now, encode(said))
        return self.seq

    def define(self, kind: int, info: object) -> int:
        self.numbers += 1
        self.put(kind, (self.numbers, info))
        return self.numbers


def fill(rng: random.Random, segment: Segment, still_open: list[Carried], count: int) -> list[Carried]:
    """Random records; returns what is open at the end, as the next segment repeats it."""
    who = [segment.define(records.SESSION, session(rng)) for _ in range(2)]
    what = [segment.define(records.RULING, ruling(rng)) for _ in range(2)]
    waiting: dict[int, Carried] = {}
    for each in still_open:
        waiting[each.intent] = each = msgspec.structs.replace(each, session=who[0], ruling=what[0])
        segment.put(records.CARRIED, each)
    shown = [0]
    for _ in range(count):
        segment.now += rng.randint(0, SECOND)
        dice = rng.random()
        if dice < 0.1:
            who.append(segment.define(records.SESSION, session(rng)))
        elif dice < 0.25:
            what.append(segment.define(records.RULING, ruling(rng)))
        elif dice < 0.3:
            shown.append(segment.define(records.COLUMNS, columns(rng)))
        elif dice < 0.65:
            tags = some(rng, (("route", "/a"), ("route", "/b"), ("trace", "1")), 1) or None
            declared = rng.choice((None, None, Declared(reason="Look after it", ticket="T-9", effect="read")))
            literals = b"".join(some(rng, DIGESTS, 3))
            carried = Carried(
                0,
                segment.now,
                rng.choice(who),
                rng.choice(what),
                tags,
                rng.choice(("", "", "A-1", "A-2")),
                "",
                literals,
                declared,
            )
            said = Intent(carried.session, carried.ruling, tags, carried.approval, literals, declared)
            seq = segment.put(records.INTENT, said)
            waiting[seq] = msgspec.structs.replace(carried, intent=seq)
        elif dice < 0.9 and waiting:
            intent = rng.choice(list(waiting))
            del waiting[intent]
            status: Any = rng.choice(("ok", "ok", "error", "refused"))
            sqlstate = "" if status == "ok" else rng.choice(("42501", "40001"))
            changed = rng.choice((None, (("public.t", 3),)))
            outcome = Outcome(intent, status, rng.randint(0, 9), 10, rng.choice(shown), "X", sqlstate, 5, changed)
            segment.put(records.OUTCOME, outcome)
        elif dice < 0.92 and waiting:
            segment.put(records.ROWS, Rows(rng.choice(list(waiting)), "public.t", False, 2, bytes(9)))
        elif dice < 0.95:
            data = rng.choice(({"what": "policy in force", "generation": 2}, {"what": "x", "approval": "A-1"}))
            event = (rng.choice(("session", "policy", "approval", "system")), rng.choice((0, *who)), data)
            segment.put(records.EVENT, event)
        elif dice < 0.97:
            segment.put(records.STATE, State("full", "53100"))
        elif waiting:
            first = segment.seq + 1
            segment.seq += 2
            segment.put(records.LOST, Lost(first, segment.seq, 1, 0, "58030"))
    return list(waiting.values())


def write_trail(directory: Path, seed: int, chains: int = 3, segments: int = 3, count: int = 40) -> None:
    """Chains that run at the same time, as files."""
    rng = random.Random(seed)
    for worker in range(chains):
        chain_id = rng.randbytes(16)
        folder = directory / f"chain-{chain_id.hex()}"
        folder.mkdir(parents=True)
        seq, length, now, still_open = 0, 0, T + rng.randint(0, 20 * SECOND), list[Carried]()
        for number in range(segments):
            header = Header(1, chain_id, number, bytes(32), length, f"db{seed % 2}", "", worker, "process", now)
            segment = Segment(header, seq)
            still_open = fill(rng, segment, still_open, count)
            torn = segment.data[-20:] if rng.random() < 0.3 else b""  # bytes that were never promised
            (folder / f"{number:08d}.seg").write_bytes(segment.data + torn)
            seq, length, now = segment.seq, len(segment.data), segment.now


def question(rng: random.Random) -> Filter:
    """One to three conditions, most of which something meets."""
    choices: dict[str, tuple[Any, ...]] = {
        "kinds": (("intent",), ("outcome",), ("session", "policy"), ("intent", "outcome"), ("system",)),
        "user": ("alice", "bob", "nobody"),
        "actor": ("agent-7", "agent"),
        "group": ("dba", "x"),
        "issuer": ("idp",),
        "token": ("jti-1", "jti-9"),
        "model": ("m-1",),
        "run": ("run-1",),
        "session": ("s1", "s2", "s99"),
        "client": ("10.0.0.9", "10.1.0.1:99", "10.0.0.0/8", "::1", "unix", "9.9.9.9"),
        "application": ("psql",),
        "database": ("prod", "none"),
        "environment": ("production",),
        "role": ("reader",),
        "place": ("production", "shop", "orders", "public.t", "nowhere"),
        "table": ("customers", "public.t", "t", "ustomers"),
        "column": ("email", "customers.id", "sales.orders.total", "mail"),
        "label": ("email", "name"),
        "decision": ("deny", "allow", "hold"),
        "rule": ("r1", "r9"),
        "grant": ("g1",),
        "fingerprint": ("f1", "f9"),
        "statement_kind": ("drop", "SELECT", "DROP TABLE", "SEL"),
        "text": ("from X3", "nope"),
        "policy": (2, 7),
        "approval": ("A-1", "A-9"),
        "tags": ((("route", "/a"),), (("route", "/z"),)),
        "ticket": ("T-9", "T-1"),
        "reason": ("look",),
        "literal": (DIGESTS[0], DIGESTS[3], b"nothing!"),
        "since": (T + 10 * SECOND, T + 40 * SECOND),
        "until": (T + 15 * SECOND, T + 35 * SECOND),
        "status": ("ok", "error"),
        "sqlstate": ("42501", "1"),
        "min_rows": (5, 100),
        "masked": ("email", "t.id"),
        "clear": ("total",),
    }
    asked = rng.sample(sorted(choices), rng.choice((1, 1, 2, 3)))
    return Filter(**{name: rng.choice(choices[name]) for name in asked})
