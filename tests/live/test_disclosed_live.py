"""Whose rows were shown, through every door of a real server: as many keys on record as rows went out, and each is found."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from gateway.masking.added_keys import INSIDE
from gateway.session.disclosing import UNREAD
from tests.live.rig import Gateway, Postgres, database_entries, serving, wait_for

SETUP = """
create table members (id bigint primary key, email text, city text);
insert into members select n, 'member' || n || '@mail.example', 'Oslo' from generate_series(1, 300000) n;
create table codes (code uuid primary key, email text);
insert into codes select gen_random_uuid(), email from members where id <= 50;
create table stays (
    member bigint, since timestamptz, email text, primary key (since, member)) partition by range (since);
create table stays_2026 partition of stays for values from ('2026-01-01') to ('2027-01-01');
insert into stays select id, timestamptz '2026-01-01 00:00+00' + id * interval '1 hour', email from members where id <= 50;
create view directory as select id as number, email as mail from members;
create table parts (id int primary key, weight int);
insert into parts select n, n from generate_series(1, 9) n;
grant select on all tables in schema public to app_ro;
analyze members;
"""
POLICY = """
[[grant]]
name = "clear"
groups = ["owners"]
allow = ["all"]
unmask = ["*"]
[[record_keys]]
tables = ["public.parts"]
[[grant]]
name = "masked"
groups = ["analysts"]
allow = ["read"]
"""
ROWS = 300_000
SOME = "where id between 11 and 14"


@pytest.fixture(scope="module")
def keeper(postgres: Postgres) -> Iterator[Gateway]:
    """A gateway of these tests alone, one worker, over a database of their own."""
    with postgres.connect(autocommit=True) as admin:
        admin.execute("create database members owner sluice")
    with postgres.connect("members", user="sluice") as owner:
        owner.execute(SETUP)
    entries = database_entries(postgres, {"members": {"dbname": "members"}})
    yield from serving(Gateway(entries, POLICY, workers=1))
    with postgres.connect(autocommit=True) as admin:
        admin.execute("drop database members with (force)")


def masked(keeper: Gateway, tag: str) -> psycopg.Connection:
    return keeper.connect("members", "ann", ("analysts",), application_name=tag)


def clear(keeper: Gateway, tag: str) -> psycopg.Connection:
    return keeper.connect("members", application_name=tag)


def disclosed(keeper: Gateway, table: str, *key: str) -> tuple[set[str], dict[str, Any]]:
    """The applications through which the row was shown, and the summary."""
    options = [part for each in key for part in ((each,) if each == "--changed" else ("--key", each))]
    done = keeper.sluice("audit", "disclosed", "--table", table, *options, "--json", seconds=120)
    assert done.returncode == 0, done.stderr
    *found, last = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["client"]["application"] for each in found}, last["summary"]


def copied(sql: str) -> Callable[[psycopg.Connection], None]:
    def run(connection: psycopg.Connection) -> None:
        with connection.cursor().copy(sql) as copy:
            for _ in copy:
                pass

    return run


def fetched(connection: psycopg.Connection) -> None:
    with connection.transaction(), connection.cursor(name="some") as cursor:
        cursor.execute(f"select email, id from members {SOME} order by id")
        assert len(cursor.fetchmany(2)) + len(cursor.fetchall()) == 4


def asked(sql: str, **options: bool) -> Callable[[psycopg.Connection], None]:
    return lambda connection: connection.execute(sql, **options).fetchall() and None


def parameter(connection: psycopg.Connection) -> None:
    connection.execute("select * from members where id = any(%s)", ([11, 12, 13, 14],), binary=True).fetchall()


DOORS: dict[str, Callable[[psycopg.Connection], Any]] = {
    "simple": asked(f"select id, email from members {SOME}"),
    "extended": parameter,
    "prepared": asked(f"select email, id from members {SOME}", prepare=True),
    "binary": asked(f"select email, id from members {SOME}", binary=True),
    "cursor": fetched,
    "view": asked("select * from directory where number between 11 and 14"),
    "join": asked("select p.id, m.id, email from members m join parts p on p.id = m.id - 10 where m.id between 11 and 14"),
    "text": copied(f"copy (select id, email from members {SOME}) to stdout"),
    "csv": copied(f"copy (select email, id from members {SOME}) to stdout (format csv, header)"),
    "copy binary": copied(f"copy (select city, id, email from members {SOME}) to stdout (format binary)"),
}


@pytest.fixture(scope="module")
def walked(keeper: Gateway) -> set[str]:
    """Goes through every door, masked and clear; the names of all."""
    tags = set()
    for name, door in DOORS.items():
        for who in (masked, clear):
            tags.add(f"{name} {who.__name__}")
            with who(keeper, f"{name} {who.__name__}") as connection:
                door(connection)
    with clear(keeper, "returning") as connection:
        connection.execute(f"update members set city = 'Lima' {SOME} returning id").fetchall()
    with clear(keeper, "without") as connection:
        connection.execute(f"select email from members {SOME}").fetchall()
        connection.execute("select id from parts").fetchall()
    return tags | {"returning"}


def test_row_is_found_with_all_who_saw_it_and_its_neighbour_with_nobody(keeper: Gateway, walked: set[str]) -> None:
    for key in ("11", "14"):
        found, summary = disclosed(keeper, "members", key)
        assert found == walked
        assert summary["expected_false_matches"] < 1e-3
        assert summary["keys_not_known"]["the result did not hold the whole primary key"] == 1
    assert disclosed(keeper, "members", "15")[0] == set()
    assert disclosed(keeper, "public.parts", "1")[0] == set()


def test_records_say_how_many_keys_and_hold_none(keeper: Gateway, walked: set[str]) -> None:
    held = dict.fromkeys(walked, 0)
    for entry in keeper.audit():
        for one in entry.get("disclosed", ()):
            if entry["client"]["application"] in walked:
                assert (one["table"], one["changed"]) == ("public.members", False)
                held[entry["client"]["application"]] += one["keys"]
    assert {tag: keys for tag, keys in held.items() if keys != 4} == {}


@pytest.mark.parametrize(("who", "rows"), [(masked, 30_000), (clear, ROWS)], ids=["masked copy", "clear select"])
def test_every_row_of_a_large_result_is_on_record(
    keeper: Gateway, who: Callable[[Gateway, str], psycopg.Connection], rows: int
) -> None:
    tag = f"large {who.__name__}"
    with who(keeper, tag) as connection:
        if who is masked:
            copied(f"copy (select id, email from members where id <= {rows}) to stdout")(connection)
        else:
            assert len(connection.execute("select id, email from members").fetchall()) == rows

    def outcome() -> Any:
        found = [one for one in keeper.audit("--text", "members") if one["client"]["application"] == tag]
        return [one for one in found if one["kind"] == "outcome"]

    (one,) = wait_for("the outcome", outcome)
    assert one["disclosed"] == [{"table": "public.members", "keys": rows, "changed": False}]
    for key in ("1", str(rows)):
        assert tag in disclosed(keeper, "members", key)[0]
    assert tag not in disclosed(keeper, "members", str(rows + 1))[0]


def test_uuids_and_keys_with_a_moment_are_found_from_text_and_binary(keeper: Gateway, postgres: Postgres) -> None:
    with postgres.connect("members") as admin:
        code = str(admin.execute("select code from codes limit 1").fetchall()[0][0])
    for binary in (False, True):
        with clear(keeper, f"typed {binary}") as connection:
            connection.execute("set timezone = 'Asia/Kolkata'")
            connection.execute("select email, code from codes", binary=binary).fetchall()
            connection.execute("select * from stays", binary=binary).fetchall()
            connection.execute("select since, member, email from stays_2026", binary=binary).fetchall()
    both = {"typed False", "typed True"}
    assert disclosed(keeper, "codes", code.upper())[0] == both
    assert disclosed(keeper, "stays", "2026-01-01T07:00:00Z", "7")[0] == both
    assert disclosed(keeper, "stays", "2026-01-01T07:00:00Z", "8")[0] == set()


def test_keys_in_a_form_that_is_not_known_are_said(keeper: Gateway) -> None:
    with clear(keeper, "german") as connection:
        connection.execute("set datestyle = 'German'")
        copied("copy (select since, member, email from stays where member = 7) to stdout")(connection)
    _, summary = disclosed(keeper, "stays", "2026-01-01T07:00:00Z", "7")
    assert summary["keys_not_known"][UNREAD] == 1


def test_rows_changed_are_found_whether_the_statement_returned_them_or_not(keeper: Gateway) -> None:
    with clear(keeper, "changing") as connection:
        connection.execute("update parts set weight = 0 where id in (2, 3) returning id").fetchall()
        connection.execute("insert into parts values (%s, 1) returning *", (100,), binary=True).fetchall()
    with clear(keeper, "changing blindly") as connection:
        connection.execute("update parts set weight = 1 where weight = 5")
        connection.execute("update parts set weight = 1 where weight = -5")
        connection.execute("with w as (update parts set weight = 1 where id = 4 returning weight) select from w")
    for key, wanted in (("3", {"changing"}), ("100", {"changing"}), ("5", {"changing blindly"}), ("4", set())):
        found, summary = disclosed(keeper, "parts", "--changed", key)
        assert found == wanted
        assert summary["keys_not_known"] == {INSIDE: 1}
