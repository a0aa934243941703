"""Held writes that are tried first, in a whole worker before a real PostgreSQL; the test decides as the admin process."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio

from gateway.approvals.outcomes import Preview, Sample
from parser import messages
from tests.workers.relay_rig import until
from tests.workers.test_holds import Admin
from tests.workers.worker_rig import Guest, House, error_state, housed, quiet, running_server
from workers import holds_link, preview_run
from workers.embedded import EmbeddedServer
from workers.holds_link import Decided, Leave, Previewed, Ran, Used, Waits, Withdrawn

pytestmark = pytest.mark.trio

POLICY = """
[[grant]]
name = "owners"
groups = ["owners"]
databases = ["shop"]
allow = ["all"]
unmask = ["*"]
[[guardrail]]
name = "writes wait"
effect = "hold"
statements = ["INSERT", "UPDATE", "DELETE", "MERGE"]
tables = ["things", "parts", "people", "gone", "strange"]
[[approval]]
name = "lead"
approvers = { groups = ["leads"] }
wait_seconds = 30
preview = true
preview_seconds = 1.5
"""
TABLES = """
create table things (id int primary key, amount int not null, note text);
create table parts (id int primary key, thing int references things on delete cascade deferrable initially deferred);
create table log (id serial, what text);
create function logs() returns trigger language plpgsql as
 $$begin insert into log (what) values (tg_op); return null; end$$;
create trigger logged after update or delete on things for each row execute function logs();
create function doubts(int) returns bool language plpgsql immutable as $$begin execute 'select 1'; return true; end$$;
create domain doubtful as int check (doubts(value));
create table strange (level doubtful);
create table gone (id int);
create function leaves() returns trigger language plpgsql as $$begin execute 'select 1'; return null; end$$;
create trigger left_behind after insert on gone execute function leaves();
grant all on all tables in schema public to sluice;
"""
FILL = """
truncate things, parts, log, gone;
insert into things select g, g * 10, 'n' || g from generate_series(1, 4) g;
insert into parts values (1, 1), (2, 1), (3, 2);
truncate log;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running_server() as running:
        with psycopg.connect(running.dsn(), autocommit=True) as admin:
            admin.execute(TABLES)
        yield running


@pytest.fixture
def admin_db(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(FILL)
        yield connection


@asynccontextmanager
async def staffed(folder: Path, server: EmbeddedServer, policy: str = POLICY) -> AsyncIterator[tuple[House, Guest, Admin]]:
    async with housed(folder, server, policy) as house, trio.open_nursery() as nursery:
        admin = Admin()
        await nursery.start(admin.serve, house)
        await until(lambda: house.worker.holds._say is not None, "the admin process is there")
        yield house, await house.guest(), admin
        nursery.cancel_scope.cancel()


def told(preview: Preview) -> list[str]:
    assert preview.known, preview.why
    return [f"{preview.command} {preview.rows}", *map(str, preview.tables or ())]


async def tried(guest: Guest, admin: Admin, sql: str) -> tuple[Preview, tuple[Sample, ...]]:
    """What a statement would do; it is denied then."""
    count = len([one for one in admin.heard if isinstance(one, Previewed)]) + 1
    await guest.wire.write_all(messages.query(sql))
    found = await admin.hears(Previewed, count)
    await admin.decide(found.id, approve=False)
    assert error_state(await guest.replies()) == "42501"
    return found.preview, found.samples


async def test_what_a_write_does_to_each_table_is_found_out_and_nothing_is_left(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    outcomes = {
        "update things set amount = 0 where id < 4": ["UPDATE 3", "public.log: 3 inserted", "public.things: 3 updated"],
        "insert into things values (9, 9)": ["INSERT 1", "public.things: 1 inserted"],
        "insert into things select id + 100, amount from things": ["INSERT 4", "public.things: 4 inserted"],
        "delete from things where id = 1": [
            "DELETE 1", "public.log: 1 inserted", "public.parts: 2 deleted", "public.things: 1 deleted",
        ],
        "with d as (delete from parts where id > 1 returning id) select count(*) from d": [
            "SELECT 1", "public.parts: 2 deleted",
        ],
        "merge into things t using (values (1, 5), (7, 7)) v(id, n) on t.id = v.id when matched then update set amount = n "
        "when not matched then insert values (v.id, v.n)": [
            "MERGE 2", "public.log: 1 inserted", "public.things: 1 inserted, 1 updated",
        ],
    }  # fmt: skip
    async with staffed(tmp_path, server) as (_, guest, admin):
        for sql, expected in outcomes.items():
            preview, _ = await tried(guest, admin, sql)
            assert told(preview) == expected, sql
        assert admin_db.execute("select count(*), sum(amount) from things").fetchone() == (4, 100)
        assert admin_db.execute("select count(*) from log").fetchone() == (0,)


async def asked(guest: Guest, admin: Admin, sql: str) -> Previewed:
    """A statement that waits now, with its preview."""
    count = len([one for one in admin.heard if isinstance(one, Previewed)]) + 1
    await guest.wire.write_all(messages.query(sql))
    return await admin.hears(Previewed, count)


async def test_samples_are_rows_before_and_after_in_the_order_of_their_key(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        _, samples = await tried(guest, admin, "update things set amount = amount + 1 where id in (2, 1)")
        (things,) = (one for one in samples if one.table == "public.things")
        assert things.columns == ("id", "amount", "note")
        assert things.before == (("1", "10", "n1"), ("2", "20", "n2"))
        assert things.after == (("1", "11", "n1"), ("2", "21", "n2"))
        _, samples = await tried(guest, admin, "delete from things where id = 1")
        before = {one.table: one.before for one in samples}
        assert before["public.parts"] == (("1", "1"), ("2", "1"))
        assert before["public.things"] == (("1", "10", "n1"),)
        assert all(not one.after for one in samples if one.table != "public.log")


async def test_parameters_temporary_tables_and_settings_of_the_session_count(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        await guest.ask("create temp table chosen as select 3 as id")
        await guest.ask("select set_config('app.least', '20', false)")
        least = "current_setting('app.least')::int"
        sql = f"update things set amount = $1 where amount >= {least} and id in (select id from chosen)"
        await guest.wire.write_all(
            messages.parse("", sql, (23,))
            + messages.bind("", "", (b"77",), ())
            + messages.describe("P", "")
            + messages.execute("")
            + messages.frame(b"S")
        )
        found = await admin.hears(Previewed)
        assert told(found.preview) == ["UPDATE 1", "public.log: 1 inserted", "public.things: 1 updated"]
        assert [one.after for one in found.samples if one.table == "public.things"] == [(("3", "77", "n3"),)]
        await admin.decide(found.id, approve=True)
        replies = await guest.replies()
        assert (b"C", b"UPDATE 1\0") in replies
        assert admin_db.execute("select amount from things where id = 3").fetchone() == (77,)


async def test_a_count_that_moved_before_it_ran_is_taken_back_and_asked_about_again(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        first = await asked(guest, admin, "update things set amount = 1 where amount >= 30")
        assert told(first.preview)[0] == "UPDATE 2"
        admin_db.execute("insert into things values (8, 80)")
        await admin.decide(first.id, approve=True)
        second = await admin.hears(Previewed, 2)
        assert second.id != first.id
        assert "3 updated (approved: 2 updated)" in second.preview.replaces
        assert (await admin.hears(Withdrawn)).id == first.id
        assert admin_db.execute("select count(*) from things where amount = 1").fetchone() == (0,)
        await admin.decide(second.id, approve=True)
        await guest.replies()
        assert (await admin.hears(Ran)).id == second.id
        assert admin_db.execute("select count(*) from things where amount = 1").fetchone() == (3,)
        assert len(house.events("outcome differs")) == 1
        assert [one.data["rows"] for one in house.events("statement previewed")] == [2]
        assert [one.data["rows"] for one in house.events("outcome compared")] == [3, 3]


async def test_an_outcome_that_never_stays_the_same_is_refused_in_the_end(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        found = await asked(guest, admin, "update things set amount = 1 where amount >= 30")
        for count in range(2, 6):
            admin_db.execute("insert into things values (%s, 80)", (100 + count,))
            await admin.decide(found.id, approve=True)
            if count < 5:
                found = await admin.hears(Previewed, count)
        assert "another each time" in str(await guest.replies())
        assert admin_db.execute("select count(*) from things where amount = 1").fetchone() == (0,)


async def test_what_changes_between_the_last_trial_and_the_statement_is_taken_back_by_the_server(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        let_go = house.worker.holds._end

        def too_late(*arguments: Any) -> None:  # somebody is quicker than the statement
            admin_db.execute("insert into things values (8, 80)")
            let_go(*arguments)

        monkeypatch.setattr(house.worker.holds, "_end", too_late)
        for extended in (False, True):
            admin_db.execute("delete from things where id = 8")
            sql = "delete from things where amount > 30"
            if extended:
                frames = messages.parse("", sql) + messages.bind("", "", (), ()) + messages.execute("")
                await guest.wire.write_all(frames + messages.frame(b"S"))
                found = await admin.hears(Previewed, 2)
            else:
                found = await asked(guest, admin, sql)
            await admin.decide(found.id, approve=True)
            replies = str(await guest.replies())
            assert "came to 2 rows, and 1 were approved" in replies
            assert admin_db.execute("select count(*) from things").fetchone() == (5,)
            assert await guest.cell("select 1") == "1"


async def test_what_cannot_be_tried_says_why_and_can_be_approved_all_the_same(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_run, "LOCK_MS", 100)
    policy = POLICY.replace("preview_seconds = 1.5", "preview_seconds = 0.3")
    async with staffed(tmp_path, server, policy) as (_, guest, admin):
        with psycopg.connect(server.dsn()) as other:
            other.execute("lock table things in share mode")
            preview, _ = await tried(guest, admin, "update things set amount = 0")
            assert preview.why == "a lock that it needs is held by somebody else"
        preview, _ = await tried(guest, admin, "update things set amount = 0 where pg_sleep(1) is null")
        assert preview.why == "it takes longer than a preview may"
        preview, _ = await tried(guest, admin, "insert into gone values (1)")
        assert preview.why == "no rollback might take back what function public.leaves does"
        preview, _ = await tried(guest, admin, "insert into strange values (1)")
        assert preview.why == "no rollback might take back what function public.doubts does"
        await guest.ask("prepare by_name as delete from things where id = 4")
        await guest.wire.write_all(
            messages.bind("", "by_name", (), ()) + messages.execute("") + messages.frame(b"S")
        )
        by_name = await admin.hears(Previewed, len([one for one in admin.heard if isinstance(one, Previewed)]) + 1)
        assert by_name.preview.why == "its text is not at hand"
        await admin.decide(by_name.id, approve=False)
        await guest.replies()
        preview, _ = await tried(guest, admin, "update things set amount = pg_advisory_lock(7)::text::int")
        assert "pg_advisory_lock" in preview.why or "more than change rows" in preview.why
        await guest.ask("begin")
        found = await asked(guest, admin, "delete from things where id = 4")
        assert found.preview.why == "it is inside a transaction"
        await admin.decide(found.id, approve=True)
        await guest.replies()
        await guest.ask("commit")
        assert admin_db.execute("select count(*) from things").fetchone() == (3,)


async def test_a_statement_that_fails_is_refused_at_once_with_the_servers_words(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        for count, (sql, sqlstate) in enumerate(
            {
                "insert into things values (1, 1)": "23505",
                "update things set amount = 1 / 0": "22012",
                "insert into parts values (9, 99)": "23503",  # deferred
            }.items(),
            1,
        ):
            assert await guest.error(sql) == sqlstate
            assert (await admin.hears(Withdrawn, count)).why == "it fails"
        assert await guest.cell("select count(*) from things") == "4"


async def test_a_cancel_or_a_client_that_goes_away_ends_the_trial(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    slow = "update things set amount = 0 where pg_sleep(1) is not null"
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query(slow))
        running = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"

        def tries() -> bool:
            return admin_db.execute(running).fetchone() == (1,)

        await until(tries, "it is tried")
        canceller = await house.knock()
        await canceller.wire.write_all(messages.cancel_request(*guest.key))
        assert error_state(await guest.replies()) == "57014"
        assert not tries()
        assert await guest.cell("select sum(amount) from things") == "100"
        await guest.wire.write_all(messages.query(slow))
        await until(tries, "it is tried")
        guest.wire.close()
        assert (await admin.hears(Withdrawn, 2)).why == "client gone"
        await until(lambda: not tries(), "the server has ended it")
        await quiet(house)
        assert admin_db.execute("select sum(amount) from things").fetchone() == (100,)


async def test_an_early_approval_of_the_same_shape_waits_for_the_trial_to_end(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        slow = "update things set amount = 0 where pg_sleep(0.1) is not null and id = 1"
        await guest.wire.write_all(messages.query(slow))
        await admin.decide((await admin.hears(Waits)).id, approve=True)
        assert (b"C", b"UPDATE 1\0") in await guest.replies()
        assert admin_db.execute("select amount from things where id = 1").fetchone() == (0,)


async def test_what_has_a_label_is_masked_in_samples_whoever_asks(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (_, guest, admin):
        assert await guest.cell("select email from people") == "ada@example.com", "who asks sees it"
        _, samples = await tried(guest, admin, "update people set id = 2")
        assert [(one.before, one.after) for one in samples] == [((("1", "[redacted]"),), (("2", "[redacted]"),))]
        _, samples = await tried(guest, admin, "insert into things select 9, 9, email from people")
        (things,) = samples
        assert things.after == (("9", "9", "[masked]"),)


async def test_what_changes_more_than_its_grant_allows_is_asked_of_nobody(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    policy = POLICY.replace('unmask = ["*"]', 'unmask = ["*"]\nmax_affected_rows = 2')
    async with staffed(tmp_path, server, policy) as (_, guest, admin):
        await guest.wire.write_all(messages.query("update things set amount = 0"))
        assert "changed 4 rows and may change 2" in str(await guest.replies())
        assert not any(isinstance(one, Previewed) for one in admin.heard)
        assert await guest.cell("select sum(amount) from things") == "100"


async def test_what_does_not_wait_for_people_is_not_tried(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    async with staffed(tmp_path, server) as (house, guest, admin):
        await guest.wire.write_all(messages.query("update things set amount = 0 /*sluice_on_hold='ticket'*/"))
        assert (await admin.hears(Waits)).on_hold == "ticket"
        canceller = await house.knock()
        await canceller.wire.write_all(messages.cancel_request(*guest.key))
        await guest.replies()
        assert not house.events("statement previewed")


async def let_go(admin: Admin, request: str) -> None:
    """Approved with an allowance that has nine rows left."""
    assert admin.stream is not None
    await holds_link.send(admin.stream, Decided(request, True, "bo (local)", "", Leave("h-9", 9)))


async def test_what_passes_under_an_allowance_and_is_tried_first_tells_what_it_changed(
    tmp_path: Path, server: EmbeddedServer, admin_db: psycopg.Connection
) -> None:
    update = "update things set amount = 0 where id < 4"
    async with staffed(tmp_path, server) as (_, guest, admin):
        found = await asked(guest, admin, update)
        await let_go(admin, found.id)
        await guest.replies()
        assert await admin.hears(Used) == Used(found.id, 3)
        await guest.wire.write_all(messages.query(update))
        early = await admin.hears(Waits, 2)
        await let_go(admin, early.id)
        await guest.replies()
        assert await admin.hears(Used, 2) == Used(early.id, 3)
        found = await asked(guest, admin, update)
        admin_db.execute("insert into things values (0, 0)")
        await let_go(admin, found.id)
        assert (await admin.hears(Withdrawn)).id == found.id, "people are asked again, and it was not used"
        assert len([one for one in admin.heard if isinstance(one, Used)]) == 2
