"""Keys of changed rows on real servers: the client reads to the byte what it would read without them, and the digests on
record are those of the rows that a trigger saw change."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import psycopg
import pytest

from gateway.audit import records
from gateway.audit.query import Entry, Joiner
from gateway.audit.segment import Frame
from gateway.masking import added_keys
from gateway.masking.key_sets import Digester, Probe, Set, read
from gateway.session.disclosing import NOT_RETURNED
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
create role blind login password 'PASSWORD';
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


class Pair(NamedTuple):
    """A database, and its copy behind a gateway."""

    server: Postgres
    gateway: Gateway


@pytest.fixture(scope="module", params=["18", "15"])
def pair(request: pytest.FixtureRequest, postgres_of: Callable[[str], Postgres]) -> Iterator[Pair]:
    server = postgres_of(request.param)
    with server.connect(autocommit=True) as admin:
        admin.execute("create database changing owner sluice")
        with server.connect("changing", autocommit=True) as inside:
            inside.execute("set role sluice")
            inside.execute(SETUP.partition("create role")[0])
            inside.execute("reset role")
            inside.execute("create role" + SETUP.partition("create role")[2].replace("PASSWORD", SLUICE_PASSWORD.replace("'", "''")))
        admin.execute("create database changing_kept template changing owner sluice")
    entries = database_entries(server, {"kept": {"dbname": "changing_kept"}})
    try:
        for gateway in serving(Gateway(entries, POLICY, workers=1)):
            yield Pair(server, gateway)
    finally:
        with server.connect(autocommit=True) as admin:
            admin.execute("drop database changing_kept with (force)")
            admin.execute("drop database changing with (force)")
            admin.execute("drop role blind")


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
    kept = spoken(pair.gateway.port, {"user": "olga", "database": "kept", "application_name": "twin"}, token, script)
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
    sent(parse("", SOME), bind("", "", [], [], [1, 0, 1])),
    sent(parse("", "insert into pairs values ($1, 'e', $2)"), bind("", "", [b"1", None]), execute("")),
    sent(bind("", "", [b"1", None]), execute(""), bind("", "", [b"2", None]), execute("")),
    query("update things set weight = 0 where id = 1"),
    sent(parse("", "select 1"), bind("", ""), execute(""), parse("", "delete from pairs where a = 1"), bind("", ""), execute("")),
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
    told = {"F", "L", "R"}  # where in its source the server raised it

    def without_place(replies: list[Reply]) -> list[Reply]:
        return [
            (kind, b"\0".join(part for part in body.split(b"\0") if part[:1].decode("latin-1") not in told))
            if kind == b"E" and b"cannot be run" in body else (kind, body)
            for kind, body in replies
        ]  # fmt: skip

    assert at_fault(without_place(plain), without_place(kept)) == ""
    assert contents(pair, "changing") == contents(pair, "changing_kept")
