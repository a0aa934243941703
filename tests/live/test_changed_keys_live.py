"""Keys of changed rows on real servers: the client reads to the byte what it would read without them, and the digests on
record are those of the rows that a trigger saw change."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

import asyncpg
import psycopg
import pytest

from gateway.audit import records
from gateway.audit.query import Entry, Joiner
from gateway.audit.segment import Frame
from gateway.masking import added_keys
from gateway.masking.key_sets import Digester, Probe, Set, read
from gateway.session.returning import TOGETHER
from parser.messages import bind, describe, execute, parse, query
from tests.live.rig import SLUICE_PASSWORD, Gateway, Postgres, database_entries, serving
from tests.live.wire import Wire, message
from workers import configuration
from workers.audit_trail import chains, read_segment

SETUP = """
create table seen (at serial primary key, place text, key text);
create function note() returns trigger language plpgsql security definer as $$
begin
  if tg_op <> 'DELETE' then
    insert into seen (place, key) values (tg_argv[0], case tg_argv[0]
      when 'pairs' then to_jsonb(new) ->> 'b' || '/' || (to_jsonb(new) ->> 'a') else to_jsonb(new) ->> 'id' end);
  end if;
  if tg_op <> 'INSERT' then
    insert into seen (place, key) values (tg_argv[0], case tg_argv[0]
      when 'pairs' then to_jsonb(old) ->> 'b' || '/' || (to_jsonb(old) ->> 'a') else to_jsonb(old) ->> 'id' end);
  end if;
  return null;
end $$;
create table things (id serial primary key, name text, weight int, extra text default 'none');
create table pairs (a int, b text, note text, primary key (b, a));
create table parted (id int primary key, note text) partition by range (id);
create table parted_low partition of parted for values from (0) to (100);
create table parted_high partition of parted for values from (100) to (200);
create table "Odd ""T" ("I d" int primary key, id int);
create table ruled (id int primary key, note text);
create rule elsewhere as on insert to ruled where new.note = 'no' do instead nothing;
create table secured (id int primary key, note text);
create table points (id point, note text);
create view glass as select id, name from things;
create trigger t after insert or update or delete on things for each row execute function note('things');
create trigger t after insert or update or delete on pairs for each row execute function note('pairs');
create trigger t after insert or update or delete on parted for each row execute function note('parted');
insert into things (name, weight) select 'n' || n, n from generate_series(1, 9) n;
insert into pairs select n, 'p' || n % 3, 'x' from generate_series(1, 9) n;
insert into parted select n * 20, 'x' from generate_series(0, 9) n;
insert into "Odd ""T" values (1, 10), (2, 20);
insert into ruled values (1, 'yes');
create role blind;
grant insert, update, delete on all tables in schema public to blind;
grant select (name, weight) on things to blind;
grant usage on all sequences in schema public to blind;
grant blind to sluice;
alter table secured enable row level security;
create policy own on secured using (true) with check (true);
truncate seen;
"""
POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
allow = ["all"]
unmask = ["*"]
[[grant]]
name = "blind"
groups = ["blind"]
allow = ["read", "write"]
unmask = ["*"]
role = "blind"
[[grant]]
name = "limited"
groups = ["limited"]
allow = ["all"]
unmask = ["*"]
max_affected_rows = 4
max_rows_per_hour = 3
[[record_keys]]
tables = ["public.*"]
"""
SYNC, FLUSH = message(b"S"), message(b"H")
Reply = tuple[bytes, bytes]


VERSIONS = ("18", "15")


class Pair(NamedTuple):
    """A database, and its copy behind a gateway under the name `kept`."""

    server: Postgres
    gateway: Gateway
    kept: str


@pytest.fixture(scope="module")
def servers(postgres_of: Callable[[str], Postgres]) -> Iterator[dict[str, Postgres]]:
    """Each with a database and a copy of it, in which the tables have the same numbers."""
    found = {}
    for name in VERSIONS:
        with suppress(pytest.skip.Exception):
            found[name] = postgres_of(name)
    tables, role, rest = SETUP.partition("create role")
    for server in found.values():
        with server.connect(autocommit=True) as admin:
            admin.execute("create database changing owner sluice")
            with server.connect("changing", autocommit=True) as inside:
                inside.execute(f"set role sluice; {tables}")
                inside.execute(f"reset role; {role}{rest}")
            admin.execute("create database changing_kept template changing owner sluice")
    yield found
    for server in found.values():
        with server.connect(autocommit=True) as admin:
            admin.execute("drop database changing_kept with (force)")
            admin.execute("drop database changing with (force)")
            admin.execute("drop role blind")


@pytest.fixture(scope="module")
def keeper(servers: dict[str, Postgres]) -> Iterator[Gateway]:
    entries = [
        entry
        for name, server in servers.items()
        for entry in database_entries(server, {f"kept{name}": {"dbname": "changing_kept"}})
    ]
    yield from serving(Gateway(entries, POLICY, workers=1))


@pytest.fixture(params=VERSIONS)
def pair(request: pytest.FixtureRequest, servers: dict[str, Postgres], keeper: Gateway) -> Pair:
    if request.param not in servers:
        pytest.skip("this server is not installed")
    return Pair(servers[request.param], keeper, f"kept{request.param}")


def spoken(port: int, parameters: dict[str, str], secret: str, script: Sequence[bytes]) -> list[Reply]:
    """The answers to a script: messages that each end in something that ReadyForQuery answers, or in Flush."""
    with Wire(port) as wire:
        wire.sign_in(secret, parameters)
        found: list[Reply] = []
        for step in script:
            wire.send(step)
            found += wire.replies()
        return found


def both(pair: Pair, script: Sequence[bytes], group: str = "owners") -> tuple[list[Reply], list[Reply]]:
    """What the database itself answers, and what its copy does through the gateway."""
    plain = spoken(pair.server.port, {"user": "sluice_plain", "database": "changing"}, SLUICE_PASSWORD, script)
    token = pair.gateway.token("olga", (group,))
    kept = spoken(pair.gateway.port, {"user": "olga", "database": pair.kept, "application_name": "twin"}, token, script)
    return plain, kept


QUERIES = (
    "insert into things (name) values ('a'), ('b')",
    "insert into things default values ; -- behind",
    "update things set weight = weight + 1 where id < 4 /* no ; */ ; ",
    "update things as t set weight = o.weight from things o where o.id = t.id and t.id in (2, 3)",
    "update public.things \"T \"\"x\" set weight = 3 where \"T \"\"x\".id = 1",
    "update only things * set weight = 3 where id = 1",
    "delete from things where id = 5",
    "delete from things where id = -5",
    "insert into things (id, name) values (1, 'again'), (100, 'new') on conflict (id) do nothing",
    "insert into things (id, name) values (1, 'again'), (101, 'new') on conflict (id) do update set name = excluded.name",
    "insert into things (id, name) select 200 + n, 'from' from generate_series(1, 3) as n union all select 300, 'x'",
    "insert into pairs values (20, 'ß', ';')",
    "update pairs set note = ';' where a > 7",
    "update pairs set a = a + 100 where b = 'p1'",
    "delete from pairs using things where a = id and a < 3",
    "update parted set note = 'y' where id < 45",
    "update parted set id = 150 where id = 20",
    "update parted_high set note = 'z'",
    "delete from parted where id = 0",
    "update \"Odd \"\"T\" set id = 3",
    "update things set id = id + 1000 where id between 200 and 203",
    "with w as (select 1 as one) update things set weight = one from w where id = 1",
    "merge into things t using (values (1, 'm'), (77, 'n')) as v(k, n) on t.id = k"
    " when matched then update set name = n when not matched then insert (id, name) values (k, n)",
    "merge into things using (values (77)) as v(k) on id = k when matched then delete",
    "update things set weight = 1 where id = 2 returning name, weight",
    "update things set weight = null where id < 4 returning null, weight, name, ';' -- end",
    "insert into things (name) values ('c') returning 1 as one",
    "insert into things (name) values ('d') returning *, name || ';'",
    "delete from things where id = 100 returning id",
    "delete from things where id = 101 returning things.*",
    "update things set id = 500 where id = 300 returning name",
    "insert into things (id) values (1)",
    "insert into things (id) values (7777), (1)",
    "update things set nope = 1",
    "update things set weight = 'x' where id = 1",
    "update things set weight = 1 / 0 where id = 1",
    "update nowhere set weight = 1",
    "update things set weight = 1 where",
    "update things set weight = 5 where id = 1; select 1",
    ";;update things set weight = 6 where id = 1;;",
    "begin", "update things set weight = 7", "update things set weight = 'x'", "update things set weight = 8", "rollback",
    "begin", "savepoint a", "insert into things (id) values (8000)", "rollback to a", "delete from pairs", "rollback",
    "set transaction isolation level serializable; update things set weight = 8 where id = 1",
    "begin isolation level repeatable read", "update things set weight = 9 where id = 1", "commit",
    "prepare p (int) as update things set weight = 10 where id = $1", "execute p (1)", "execute p (2)",
    "explain (costs off) delete from things",
    "update glass set name = 'through' where id = 1",
    "with d as (delete from things where id = 6 returning *) insert into pairs select id, 'moved', name from d",
    "insert into ruled values (2, 'yes'), (3, 'no')",
    "insert into secured values (1, 'x')",
    "truncate pairs",
)  # fmt: skip


def test_simple_queries_are_answered_to_the_byte(pair: Pair) -> None:
    plain, kept = both(pair, [query(sql) for sql in QUERIES])
    assert at_fault(plain, kept) == ""
    assert contents(pair, "changing") == contents(pair, "changing_kept")


def at_fault(plain: list[Reply], kept: list[Reply]) -> str:
    """The first place in which two conversations differ."""
    for number, (one, other) in enumerate(zip(plain, kept, strict=False)):
        if one != other:
            return f"{plain[max(0, number - 2) : number + 2]} became {kept[max(0, number - 2) : number + 2]}"
    return "" if len(plain) == len(kept) else f"{plain[-3:]} became {kept[-3:]}"


def contents(pair: Pair, database: str) -> dict[str, list[Any]]:
    with pair.server.connect(database, autocommit=True) as admin:
        return {
            table: admin.execute(f"select * from {table} order by 1, 2").fetchall()
            for table in ("things", "pairs", "parted", "ruled", "secured")
        }


def sent(*parts: bytes) -> bytes:
    return b"".join((*parts, SYNC))


UPDATE = "update things set weight = $1 where id <= 3"
SOME = "update things set weight = 4 where id <= 3 returning name, weight"
EXTENDED = (
    sent(parse("", UPDATE), describe("S", ""), bind("", "", [b"1"]), describe("P", ""), execute("")),
    sent(parse("", UPDATE), bind("", "", [b"2"], [], [1]), execute("", 1)),
    sent(bind("", "", [b"2"], [], [1, 0, 1, 0]), execute("")),
    sent(parse("s", UPDATE), describe("S", "s")),
    sent(bind("", "s", [b"3"]), execute("")),
    sent(bind("", "s", [b"4"]), describe("P", ""), execute(""), bind("p", "s", [b"\0\0\0\5"], [1]), execute("p", 2)),
    sent(bind("", "s", [b"4"]), execute(""), execute("")),
    sent(bind("q", "s", [b"4"]), execute("q"), execute("q", 1)),
    sent(parse("", SOME), describe("S", ""), bind("", ""), describe("P", ""), execute("")),
    sent(parse("", SOME), bind("", "", [], [], [1]), execute("", 1), execute("", 1), execute("", 5), execute("")),
    sent(parse("", SOME), bind("", "", [], [], [1, 0]), describe("P", ""), execute("")),
    sent(parse("", "insert into pairs values ($1, 'e', $2)"), bind("", "", [b"1", None]), execute("")),
    sent(bind("", "", [b"1", None]), execute(""), bind("", "", [b"2", None]), execute("")),
    query("update things set weight = 0 where id = 1"),
    sent(parse("", "select 1"), bind("", ""), execute(""),
         parse("", "delete from pairs where a = 1"), bind("", ""), execute("")),
    sent(parse("", "insert into parted values (1, 'new')"), bind("", ""), execute("")),
    sent(*(part for n in range(20, 25) for part in (
        parse("", f"insert into parted values ({n}, 'piped')"), bind("", ""), execute("")))),
    sent(parse("", "delete from parted where id < 22"), bind("", ""), execute(""),
         parse("", "insert into parted values (23)"), bind("", ""), execute(""),
         parse("", "delete from parted"), bind("", ""), execute("")),
    query("execute s (9)"), query("execute s (9); select 2"),
    sent(parse("", "execute s (8)"), bind("", ""), execute("")),
    sent(parse("", "execute s (8)"), describe("S", ""), bind("", ""), describe("P", ""), execute("")),
    query("begin"), sent(parse("t", "delete from parted where id = $1"), bind("", "t", [b"22"]), execute("")),
    sent(bind("", "t", [b"x"]), execute("")), sent(bind("", "t", [b"23"]), execute("")),
    sent(parse("", UPDATE), bind("", "", [b"2"]), execute("")), query("rollback"),
    sent(bind("", "t", [b"180"]), execute("")),
    sent(message(b"C", b"Ss\0"), parse("s", "delete from things where id > 3"), bind("", "s"), execute("", 1)),
)  # fmt: skip


def test_extended_queries_are_answered_to_the_byte(pair: Pair) -> None:
    plain, kept = both(pair, EXTENDED)

    def in_short(replies: list[Reply]) -> list[Reply]:
        """An error that the gateway itself must raise says the same in the server's words, and what to do."""
        own = b"cannot be run"
        return [(kind, body[: body.index(own) + len(own)] if own in body else body) for kind, body in replies]

    assert at_fault(in_short(plain), in_short(kept)) == ""
    assert contents(pair, "changing") == contents(pair, "changing_kept")


# --- what is on record ---


class Kept(Joiner):
    """Reads a trail: of each statement that ended, its text and what is on record of the rows that it changed."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[int, list[records.Rows]] = {}

    def read(self, frame: Frame) -> Entry | None:
        if frame.kind == records.ROWS:
            said = records.decode(frame.kind, frame.payload)
            self.said.setdefault(said.intent, []).append(said)
        entry = super().read(frame)
        return entry if entry is not None and entry.outcome is not None else None


class Told(NamedTuple):
    """What is on record of one execution: reasons and sets of changed rows, and how many sets of shown ones."""

    status: str
    whys: list[str]
    changed: list[Set]
    shown: int


def told(pair: Pair, tag: str) -> list[Told]:
    """Of the statements of one application, in order."""
    found: list[Told] = []
    for chain in chains(pair.gateway.folder / "var" / "audit"):
        joiner = Kept()
        for number in chain.segments():
            for entry in read_segment(chain, number, joiner):
                assert entry.outcome is not None
                session = entry.session
                if session is not None and (session.application, session.database) == (tag, pair.kept):
                    said = joiner.said.pop(entry.outcome.intent, [])
                    sets = [(one.changed, read(one.digests, one.count)) for one in said]
                    found.append(
                        Told(
                            entry.outcome.status,
                            [one.why for changed, one in sets if changed and one.why],
                            [one for changed, one in sets if changed and not one.why],
                            sum(not changed for changed, _ in sets),
                        )
                    )
    return found


def held(gateway: Gateway, sets: list[Set], keys: set[str]) -> tuple[set[str], int]:
    """Which of these keys are in the sets, and how many keys the sets have."""
    digester = Digester(configuration.load_digest_key(gateway.config, os.environ))
    found = set()
    for key in keys:
        probe = Probe(digester, tuple(key.split("/")))
        for one in sets:
            digest = probe.digest(one.families)
            if digest is not None and one.holds(digest):
                found.add(key)
    return found, sum(one.count for one in sets)


def seen(admin: psycopg.Connection) -> set[str]:
    """The keys that the triggers saw since this was asked last."""
    return {key for (key,) in admin.execute("with s as (delete from seen returning *) select distinct key from s")}


CHANGES: tuple[tuple[str, Sequence[Any]], ...] = (
    ("insert into things (name) values ('a'), ('b')", ()),
    ("insert into things (name) select 'many' from generate_series(1, 400)", ()),
    ("update things set weight = weight + 1 where id < 4 -- ;", ()),
    ("update things set weight = %s where id = any(%s)", (4, [2, 3, 900_000])),
    ("update things as t set weight = o.weight from things o where o.id = t.id and t.id in (2, 3)", ()),
    ("delete from things where id = %s", (9,)),
    ("delete from things where id = -5", ()),
    ("insert into things (id, name) values (1, 'again'), (1000, 'new') on conflict (id) do nothing", ()),
    ("insert into things (id, name) values (1, 'x'), (1001, 'x') on conflict (id) do update set name = 'y'", ()),
    ("insert into pairs values (20, %s, ';')", ("ß",)),
    ("update pairs set note = ';' where a > 7", ()),
    ("delete from pairs where a in (1, 2)", ()),
    ("update parted set note = 'y' where id < 45", ()),
    ("update parted_high set note = 'z'", ()),
    ("update things set weight = 1 where id = 2 returning name, weight", ()),
    ("delete from things where id = 1000 returning *", ()),
    ("with w as (select 1 as one) update things set weight = one from w where id = 1", ()),
)  # fmt: skip


@pytest.mark.parametrize("way", ["simple", "extended", "prepared", "pipeline", "transaction", "binary"])
def test_digests_on_record_are_of_the_rows_that_changed(pair: Pair, way: str) -> None:
    if pair.server.name == "15" and way in ("extended", "transaction", "binary"):
        pytest.skip("nothing in these depends on the version")
    tag = f"way {way}"
    wanted: list[set[str]] = []
    with ExitStack() as stack:
        admin = stack.enter_context(pair.server.connect("changing_kept", autocommit=True))
        admin.execute("set session_replication_role = replica")
        refill(admin)
        client = stack.enter_context(pair.gateway.connect(pair.kept, application_name=tag))
        cursor = psycopg.ClientCursor(client) if way == "simple" else client.cursor(binary=way == "binary")
        for sql, values in CHANGES:
            if way == "pipeline":
                with client.pipeline():
                    cursor.execute(sql, values)
            elif way == "transaction":
                with client.transaction():
                    cursor.execute(sql, values)
            else:
                cursor.execute(sql, values or None, **({"prepare": True} if way == "prepared" else {}))
            changed = cursor.rowcount
            wanted.append(seen(admin))
            assert changed == len(wanted[-1])
    found = [one for one in told(pair, tag) if way != "transaction" or one.changed or one.whys]
    if way == "transaction":
        wanted = [keys for keys in wanted if keys]
    assert len(found) == len(wanted)
    every = set.union(*wanted) | {"900000", "-5"}
    for one, keys in zip(found, wanted, strict=True):
        assert (one.status, one.whys) == ("ok", [])
        assert held(pair.gateway, one.changed, every) == (keys, len(keys))


def refill(admin: psycopg.Connection) -> None:
    """The rows as at the beginning."""
    for one in ("things", "pairs", "parted", "ruled", "secured", "seen"):
        admin.execute(f"truncate {one} restart identity")
    admin.execute("insert into things (name, weight) select 'n' || n, n from generate_series(1, 9) n")
    admin.execute("insert into pairs select n, 'p' || n % 3, 'x' from generate_series(1, 9) n")
    admin.execute("insert into parted select n * 20, 'x' from generate_series(0, 9) n")


def client_of(pair: Pair, tag: str, group: str = "owners") -> psycopg.Connection:
    return pair.gateway.connect(pair.kept, groups=(group,), application_name=tag)


def test_row_that_gets_another_key_is_on_record_under_both_where_the_server_tells(pair: Pair) -> None:
    with pair.server.connect("changing_kept", autocommit=True) as admin, client_of(pair, "rekeyed") as client:
        admin.execute("set session_replication_role = replica")
        refill(admin)
        for prepare in (False, True):
            client.execute("update pairs set a = a + 100 where b = 'p1'", prepare=prepare)
        client.execute("update things set id = 70 where id = 7 returning id, name").fetchall()
        keys = seen(admin)
    first, second, third = told(pair, "rekeyed")
    new = pair.server.name != "15"
    ahead = {f"p1/{n}" for n in (1, 4, 7)}
    for one, before in ((first, 0), (second, 100)):
        moved = [{f"p1/{n + add}" for n in (1, 4, 7)} for add in (before, before + 100)]
        wanted = moved[0] | moved[1] if new else moved[1]
        assert held(pair.gateway, one.changed, keys | ahead) == (wanted, len(wanted))
        assert one.whys == ([] if new else [added_keys.FORMER])
    assert held(pair.gateway, third.changed, {"7", "70"}) == ({"70"}, 1)
    assert third.whys == [added_keys.FORMER]


UNKEPT = (
    ("update things set weight = 5 where id = 1; select 1", TOGETHER),
    ("prepare p as update things set weight = 5", ""),
    ("execute p", added_keys.BY_NAME),
    ("explain update things set weight = 5", ""),
    ("update glass set name = 'x' where id = 1", added_keys.VIEW),
    ("with d as (delete from things where id = 6 returning id) select count(*) from d", added_keys.INSIDE),
    ("with d as (delete from things where id = 8 returning id) update pairs set note = 'y' where a = 8", added_keys.INSIDE),
    ("explain analyze update things set weight = 5", added_keys.NO_ROWS),
    ("truncate pairs", added_keys.NO_ROWS),
    ("insert into ruled values (9, 'yes')", added_keys.answer("0 rules")[1]),
)  # fmt: skip


def test_record_says_why_keys_are_not_known(pair: Pair) -> None:
    with pair.server.connect("changing_kept", autocommit=True) as admin:
        refill(admin)
    with client_of(pair, "unkept") as client:
        for sql, _ in UNKEPT:
            client.execute(sql)
    found = told(pair, "unkept")
    assert len(found) == len(UNKEPT) + 1
    assert [set(one.whys) for one in found if one.whys] == [{why} for _, why in UNKEPT if why]
    assert not any(one.changed for one in found)


def test_role_that_may_not_read_the_key_changes_rows_as_before(pair: Pair) -> None:
    with pair.server.connect("changing_kept", autocommit=True) as admin:
        refill(admin)
        with pair.gateway.connect(pair.kept, "ben", ("blind",), application_name="blind") as client:
            client.execute("insert into things (name) values ('unseen')")
            client.execute("update things set weight = 3 where name = 'unseen'")
            client.execute("insert into secured values (1, 'x')")
            assert client.execute("delete from things where name = 'unseen' returning weight").fetchall() == [(3,)]
        admin.execute("grant select on things to blind")
        with pair.gateway.connect(pair.kept, "ben", ("blind",), application_name="sighted") as client:
            client.execute("update things set weight = 3 where name = 'n3'")
        admin.execute("revoke select on things from blind")
        admin.execute("grant select (name, weight) on things to blind")
    *reads, secured, deleted = (one.whys for one in told(pair, "blind"))
    assert [*reads, deleted] == [[added_keys.answer("0 select")[1]]] * 3
    assert secured == [added_keys.answer("0 security")[1]]
    (one,) = told(pair, "sighted")
    assert held(pair.gateway, one.changed, {"3", "4"}) == ({"3"}, 1)


def test_limited_write_is_counted_and_its_rows_are_charged_to_nobody(pair: Pair) -> None:
    with pair.server.connect("changing_kept", autocommit=True) as admin:
        refill(admin)
    script = [
        query("update things set weight = 3 where id <= 4"),
        query("update things set weight = 4 where id <= 4"),
        query("update things set weight = 9"),
        sent(parse("", "update things set weight = 4 where id <= 3"), bind("", ""), describe("P", ""), execute("")),
        query("update things set weight = 5 where id <= 4 returning weight"),
    ]
    name = f"lim{pair.server.name}"  # budgets are a person's
    token = pair.gateway.token(name, ("limited",))
    who = {"user": name, "database": pair.kept, "application_name": "limited"}
    replies = spoken(pair.gateway.port, who, token, script)
    assert b"".join(kind for kind, _ in replies) == b"CZCZEZ12nCZTDDDDCZ"
    assert b"53400" not in b"".join(body for _, body in replies)
    found = told(pair, "limited")
    assert [one.status for one in found] == ["ok", "ok", "refused", "ok", "ok"]
    kept = [held(pair.gateway, one.changed, {"1", "4"}) for one in found]
    assert kept[:2] + kept[3:] == [({"1", "4"}, 4)] * 2 + [({"1"}, 3), ({"1", "4"}, 4)]


@pytest.mark.parametrize("pair", VERSIONS[:1], indirect=True)
def test_disclosed_tells_who_changed_a_row(pair: Pair) -> None:
    with pair.server.connect("changing_kept", autocommit=True) as admin:
        refill(admin)
    tag = f"asked for by {pair.kept}"
    with client_of(pair, tag) as client:
        client.execute("update parted set note = 'mine' where id = 60")
    done = pair.gateway.sluice("audit", "disclosed", "--changed", "--table", "parted", "--key", "60")
    assert tag in done.stdout
    assert 'update parted set note' in done.stdout
    assert "sluice.key" not in done.stdout


SCRIPT = """\\set ON_ERROR_STOP off
insert into things (name) values ('p'), ('q');
update things set weight = 2 where id < 3 \\gdesc
update things set weight = 2 where id < 3 returning name;
delete from things where id = 3 \\gx
update things set nope = 2;
begin; update things set weight = 3; update things set weight = 'x'; update things set weight = 4; commit;
"""


def test_psql_prints_the_same(pair: Pair) -> None:
    for database in ("changing", "changing_kept"):
        with pair.server.connect(database, autocommit=True) as admin:
            refill(admin)
    printed = []
    for dsn in (pair.server.dsn("changing"), pair.gateway.dsn(pair.kept) + " application_name=psql"):
        done = subprocess.run(
            [pair.server.program("psql"), "-X", "-e", dsn], input=SCRIPT, capture_output=True, text=True, check=False
        )
        printed.append((done.stdout, done.stderr, done.returncode))
    assert printed[0] == printed[1]
    assert "UPDATE 2" in printed[0][0]
    keys = [held(pair.gateway, one.changed, {"1", "3", "10"})[0] for one in told(pair, "psql") if one.changed]
    assert keys[:3] == [{"10"}, {"1"}, {"3"}]


def test_asyncpg_runs_what_it_prepared(pair: Pair) -> None:
    with pair.server.connect("changing_kept", autocommit=True) as admin:
        refill(admin)
    token = pair.gateway.token("olga", ("owners",))

    async def session() -> list[Any]:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=pair.gateway.port, user="olga", password=token, database=pair.kept, ssl=False,
            server_settings={"application_name": "asyncpg"},
        )  # fmt: skip
        try:
            await connection.executemany("insert into things (id, name) values ($1, $2)", [(50, "a"), (51, "b")])
            statement = await connection.prepare("update things set weight = $1 where id >= $2")
            return [
                await connection.execute("delete from things where id = $1", 1),
                statement.get_attributes(),
                await statement.fetch(1, 51),
                await connection.fetch("update things set weight = 2 where id = 50 returning name"),
            ]
        finally:
            await connection.close()

    *answers, rows = asyncio.run(session())
    assert answers == ["DELETE 1", (), []]
    assert [dict(row) for row in rows] == [{"name": "a"}]
    keys = [held(pair.gateway, one.changed, {"1", "50", "51"})[0] for one in told(pair, "asyncpg") if one.changed]
    assert keys == [{"50"}, {"51"}, {"1"}, {"51"}, {"50"}]
