"""Random programs of a client, cut and interleaved at random, through the session to a model of the server.

The client must see what it would see without the gateway, but that refused texts fail; and nothing may run whose intent
was not on record before it left.
"""

import random
from struct import pack, unpack_from
from typing import NoReturn

import pytest

from gateway.audit.chain import Chain
from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.classify.catalog import Catalog
from gateway.errors import Refused
from gateway.identity.principal import Principal
from gateway.policy import compile as policy_compile
from gateway.policy import rules
from gateway.policy.decision import Budget
from gateway.policy.table import PolicyTable
from gateway.scope import Scope
from gateway.session.session import Session
from gateway.settings import load as load_settings
from tests.sim.model_server import ModelServer, build

POLICY = """
[[grant]]
name = "all may read"
allow = ["read"]
databases = ["shop"]
"""
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
REFUSED = frozenset({"boom", "drop table x"})
NOW = 1_800_000_000
PATH = [("search_path", "public")]  # reported by the server, as from PostgreSQL 18 on


def no_budget(budget: Budget) -> NoReturn:
    raise AssertionError("there are no budgets here")



def make_scope() -> Scope:
    settings = load_settings(SETTINGS, "sluice.toml", {})
    table = PolicyTable(policy_compile.compile([rules.load(POLICY, "policy.toml")], settings))
    principal = Principal("alice", "local", (), (), NOW + 3600.0, "t1")
    rights = table.rights(principal, "shop", "", float(NOW), 1, None)
    return Scope(rights, Catalog(1, {}, {}, {}), table.digest, search_path=("public",))


SCOPE = make_scope()


class Rig:
    """A session between a client's bytes and a model server, driven in the relay's order."""

    def __init__(self, rng: random.Random, scope: Scope = SCOPE) -> None:
        self.rng = rng
        self.chain = Chain("host", 0, bytes(16))
        card = SessionCard(SessionInfo("s1", "alice"))
        self.session = Session(scope, lambda _: scope, self.chain, card, PATH, 1 << 20, no_budget, no_budget)
        self.server = ModelServer()
        self.seen = b""  # by the client
        self.uplink = b""  # to the server
        self.downlink = b""  # from the server
        self.promised: list[str] = []  # statements on record
        self.now = NOW * 10**9

    def turn(self, data: bytes, *, audit_fails: bool = False) -> None:
        """One turn: the client's bytes, the commit, the forward."""
        self.now += 1000
        waiting = self.session.waiting and not self.session.queue
        if data or waiting:
            self.session.client(data, self.now)
        staged = [item.rulings for item, place in self.session.staged if place >= 0]
        if audit_fails:
            self.session.refuse_staged(Refused("58030", "the audit cannot be written"))
        else:
            self.promised += [ruling.facts.shape for rulings in staged for ruling in rulings]
            self.session.staged.clear()
        self._forward()

    def answer(self, size: int) -> None:
        """Up to `size` bytes of the server's answers reach the session."""
        part, self.downlink = self.downlink[:size], self.downlink[size:]
        if part:
            self.session.server(part, self.now)
        self._forward()

    def _forward(self) -> None:
        self.uplink += b"".join(self.session.to_server)
        self.session.to_server.clear()
        self.seen += b"".join(self.session.to_client)
        self.session.to_client.clear()

    def serve(self, size: int) -> None:
        """The server reads up to `size` bytes."""
        part, self.uplink = self.uplink[:size], self.uplink[size:]
        before = len(self.server.executed)
        self.downlink += self.server.feed(part)
        for text in self.server.executed[before:]:
            assert self.promised, f"{text!r} ran without an intent"

    def settle(self) -> None:
        """Everything that can still move, moves."""
        for _ in range(10_000):
            before = (len(self.uplink), len(self.downlink), len(self.seen), len(self.session.client_rest))
            self.turn(b"")
            self.serve(1 << 20)
            self.answer(1 << 20)
            if before == (len(self.uplink), len(self.downlink), len(self.seen), len(self.session.client_rest)):
                return
        raise AssertionError("the session never comes to rest")


def program(rng: random.Random) -> bytes:
    """A client's messages: simple queries, and pipelines of the extended protocol with names that are reused."""
    parts: list[bytes] = []
    for _ in range(rng.randrange(1, 12)):
        if rng.random() < 0.4:
            texts = [some_text(rng) for _ in range(rng.choice((1, 1, 1, 2, 0)))]
            if len(texts) > 1:  # of several, one that names what does not exist refuses all: not what the server does
                texts = [text for text in texts if text.split()[0] not in ("execute", "fetch")]
            parts.append(build(b"Q", "; ".join(texts).encode() + b"\0"))
            continue
        for _ in range(rng.randrange(1, 6)):
            parts.append(some_message(rng))
        parts.append(build(b"S"))
    return b"".join(parts)


def some_text(rng: random.Random) -> str:
    name = rng.choice("ab")
    return rng.choice(
        (
            f"select {rng.randrange(100)}",
            f"select {rng.randrange(100)}",
            "begin",
            "commit",
            "rollback",
            "boom",
            "drop table x",
            f"prepare {name} as select {rng.randrange(9)}",
            f"execute {name}",
            f"deallocate {name}",
            f"declare {name} cursor for select {rng.randrange(9)}",
            f"fetch {name}",
        )
    )


def some_message(rng: random.Random) -> bytes:
    name = rng.choice(("", "a", "b"))
    portal = rng.choice(("", "p"))
    match rng.randrange(8):
        case 0 | 1:
            return build(b"P", f"{name}\0{some_text(rng)}\0".encode() + pack("!h", 0))
        case 2 | 3:
            return build(b"B", f"{portal}\0{name}\0".encode() + pack("!hhh", 0, 0, 0))
        case 4 | 5:
            return build(b"E", f"{portal}\0".encode() + pack("!i", 0))
        case 6:
            return build(b"D", rng.choice((f"P{portal}\0", f"S{name}\0")).encode())
        case _:
            return rng.choice((build(b"H"), build(b"C", f"S{name}\0".encode())))


def frames(data: bytes) -> list[bytes]:
    """The client's view: frames, errors by their SQLSTATE alone."""
    out: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 1 + unpack_from("!i", data, at + 1)[0]
        kind, body = data[at : at + 1], data[at + 5 : end]
        if kind == b"E":
            code = next(field[1:] for field in body.split(b"\0") if field[:1] == b"C")
            body = code
        out.append(kind + body)
        at = end
    assert at == len(data)
    return out


def without_unknown_names(seen: list[bytes]) -> list[bytes]:
    """EXECUTE and FETCH of an unknown name are refused (42501) where the server says 26000, 34000, or 25P02 in a failed
    transaction: one kind of error here."""
    return [b"E-refused" if one in (b"E26000", b"E34000", b"E42501", b"E25P02") else one for one in seen]


@pytest.mark.parametrize("block", range(8))
def test_client_sees_what_the_server_alone_would_say(block: int) -> None:
    for seed in range(block * 150, block * 150 + 150):
        rng = random.Random(seed)
        sent = program(rng)
        direct = ModelServer(refused=REFUSED)
        expected = without_unknown_names(frames(direct.feed(sent)))
        rig = Rig(rng)
        left = sent
        while left:
            size = rng.choice((1, 3, 7, 40, 400))
            part, left = left[:size], left[size:]
            rig.turn(part)
            if rng.random() < 0.5:
                rig.serve(rng.choice((1, 5, 50, 500)))
            if rng.random() < 0.5:
                rig.answer(rng.choice((1, 5, 50, 500)))
        rig.settle()
        assert not rig.session.ending, f"seed {seed}: the session ended"
        assert without_unknown_names(frames(rig.seen)) == expected, f"seed {seed}"
        assert rig.chain.open_intents == 0 or rig.session.queue, f"seed {seed}: an intent without outcome"


def test_statements_refused_by_a_failing_audit_never_reach_the_server() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        rig = Rig(rng)
        rig.promised = [""]
        rig.turn(program(rng), audit_fails=True)
        while rig.session.waiting or rig.uplink or rig.downlink:
            before = len(rig.uplink), len(rig.downlink), len(rig.session.client_rest)
            rig.serve(1 << 20)
            rig.answer(1 << 20)
            rig.turn(b"", audit_fails=True)
            if before == (len(rig.uplink), len(rig.downlink), len(rig.session.client_rest)):
                break
        assert rig.server.executed == [], f"seed {seed}"


def test_the_whole_program_at_once_equals_byte_by_byte() -> None:
    for seed in range(60):
        sent = program(random.Random(seed))
        whole, single = Rig(random.Random(seed)), Rig(random.Random(seed))
        whole.turn(sent)
        whole.settle()
        for at in range(len(sent)):
            single.turn(sent[at : at + 1])
        single.settle()
        assert frames(whole.seen) == frames(single.seen), f"seed {seed}"
