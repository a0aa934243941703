"""The person behind a shared account, with real drivers: whose rights count, who is on record, where no token goes."""

import time
from collections.abc import Callable
from select import select
from typing import Any

import psycopg
import pytest

from tests.live.rig import POLICY, Gateway, Postgres, wait_for

MAIL = "select email from customers order by id limit 1"


def account(gateway: Gateway, name: str = "dashboards", **options: Any) -> psycopg.Connection:
    return gateway.connect("dev", name, (), **options)


def become(connection: psycopg.Connection, token: str) -> None:
    connection.execute(f"SET sluice.user_token = '{token}'")


def mail(connection: psycopg.Connection, **options: Any) -> str:
    row = connection.execute(MAIL, **options).fetchone()
    assert row is not None
    return str(row[0])


def tagged(gateway: Gateway, tag: str) -> dict[str, Any]:
    """The one intent whose statement holds the tag."""
    (found,) = [one for one in gateway.audit("--text", tag) if one["kind"] == "intent"]
    return found


def events(gateway: Gateway, what: str, *filters: str) -> list[dict[str, Any]]:
    return [one for one in gateway.audit(*filters) if one.get("event", {}).get("what") == what]


@pytest.fixture
def wim(gateway: Gateway) -> str:
    """The token of somebody who reads and writes, and sees no e-mail address."""
    return gateway.token("wim", ("writers",))


def test_statements_are_the_named_persons_until_another_is_named(gateway: Gateway, wim: str) -> None:
    with account(gateway) as connection:
        clear = mail(connection)
        assert "@" in clear
        become(connection, wim)
        assert mail(connection) != clear
        assert connection.execute("select 1 as by_wim").fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="deny by default"):
            connection.execute("create table end_user_made (id int)")
        become(connection, gateway.token("olga", ("owners",)))
        assert mail(connection) == clear, "olga sees it, and so does the account"
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="deny by default"):
            connection.execute("create table end_user_made (id int)")  # the account may not, whoever it works for
        become(connection, wim)
        connection.execute("discard all")
        assert mail(connection) == clear
        become(connection, wim)
        connection.execute("reset sluice.user_token")
        assert connection.execute("select 1 as by_itself").fetchone()
    by_wim, by_itself = tagged(gateway, "by_wim"), tagged(gateway, "by_itself")
    assert (by_wim["user"], by_wim["account"], by_wim["groups"]) == ("wim", "dashboards", ["writers"])
    assert by_wim["session"] == by_itself["session"]
    assert (by_itself["user"], by_itself["account"]) == ("dashboards", "")
    assert {one["user"] for one in events(gateway, "end user named", "--session", by_wim["session"])} == {"wim", "olga"}


def test_the_next_statement_of_the_same_pipeline_is_already_the_persons(gateway: Gateway, wim: str) -> None:
    with account(gateway) as connection:
        clear = mail(connection)
        with connection.pipeline():
            first = connection.execute(MAIL)
            become(connection, wim)
            second = connection.execute(MAIL)
            become(connection, gateway.token("olga", ("owners",)))
            third = connection.execute(MAIL)
        seen = [cursor.fetchone()[0] for cursor in (first, second, third)]  # type: ignore[index]
        assert seen[0] == seen[2] == clear
        assert seen[1] != clear


@pytest.mark.parametrize("prepare", [None, True])
def test_a_comment_names_the_person_of_its_own_statement_alone(
    gateway: Gateway, wim: str, prepare: bool | None
) -> None:
    with account(gateway) as connection:
        clear = mail(connection)
        named = f"/*sluice_user_token='{wim}'*/"
        for _ in range(3):
            row = connection.execute(
                f"select email, %s as by_comment from customers order by id limit 1 {named}", ("x",), prepare=prepare
            ).fetchone()
            assert row is not None
            assert row[0] != clear
            assert mail(connection, prepare=prepare) == clear
        assert connection.execute(f"select 'simple_comment' {named}", prepare=False).fetchone()
    intents = [one for one in gateway.audit("--text", "by_comment") if one["kind"] == "intent"]
    assert {(one["user"], one["account"]) for one in intents[-3:]} == {("wim", "dashboards")}
    assert all("sluice_user_token" not in str(one) for one in intents)


def test_what_the_account_copied_in_clear_is_masked_for_the_person_behind_it(gateway: Gateway, wim: str) -> None:
    with account(gateway) as connection:
        clear = mail(connection)
        connection.execute("create temp table kept as select id, email as remark from customers")
        connection.execute("create temp table orders as select id, email as item from customers")
        become(connection, wim)
        for text in ("select remark from kept", "select item from orders", "table kept", "table orders"):
            rows = connection.execute(text).fetchall()
            assert rows
            assert clear not in str(rows), text


def test_no_token_reaches_the_server(gateway: Gateway, postgres: Postgres, wim: str) -> None:
    with account(gateway) as connection, postgres.connect("shop", autocommit=True) as watcher:
        pid = connection.info.backend_pid

        def last() -> str:
            return str(watcher.execute("select query from pg_stat_activity where pid = %s", (pid,)).fetchone()[0])

        become(connection, wim)
        assert "sluice.user_token = '****" in last()
        assert wim not in last()
        shown = connection.execute("show sluice.user_token").fetchone()
        assert shown is not None
        assert set(shown[0]) == {"*"}
        connection.execute(f"select 5 /*sluice_user_token='{wim}'*/")
        assert "select" in last()
        assert wim not in last()
        connection.execute(f"select 6 + %s /*sluice_user_token='{wim}'*/", (1,), prepare=True)
        texts = watcher.execute("select string_agg(query, ' ') from pg_stat_activity").fetchone()
        assert texts is not None
        assert wim not in texts[0]


def test_an_account_for_named_persons_alone_does_nothing_for_itself(gateway: Gateway, wim: str) -> None:
    with account(gateway, "kiosk") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="named persons alone") as refused:
            mail(connection)
        assert "SET sluice.user_token" in str(refused.value.diag.message_hint)
        become(connection, wim)
        assert mail(connection)
        connection.execute("update customers set city = city where id = 1")
        connection.execute("discard all")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="named persons alone"):
            mail(connection)


def test_a_token_that_is_refused_in_a_comment_stops_its_statement_alone(gateway: Gateway, wim: str) -> None:
    with account(gateway) as connection:
        for bad in (wim[:-3] + "abc", "a.b.c", gateway.token("nobody", ("strangers",))):
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(f"select 'bad_comment' /*sluice_user_token='{bad}'*/")
            assert refused.value.sqlstate in ("28P01", "28000")
        connection.execute("prepare kept as select 7")
        with pytest.raises(psycopg.Error):  # what it runs by name is allowed, whom it names is not
            connection.execute("execute kept /*sluice_user_token='a.b.c'*/")
        assert connection.execute("select 1").fetchone() == (1,)
    assert len(events(gateway, "end user refused", "--user", "dashboards")) >= 3
    assert all(wim[:-3] not in str(one) for one in gateway.audit("--user", "dashboards"))


def test_a_session_that_cannot_become_whom_it_names_ends(gateway: Gateway, wim: str) -> None:
    for bad in (wim[:-3] + "abc", "junk", gateway.token("nobody", ("strangers",))):
        with account(gateway) as connection:
            become(connection, wim)
            with pytest.raises(psycopg.OperationalError) as ended:
                become(connection, bad)
            assert ended.value.sqlstate in ("28P01", "28000")
            assert connection.closed


@pytest.mark.parametrize(
    "text",
    [
        "set local sluice.user_token = '{0}'",
        "select set_config('sluice.user_token', '{0}', false)",
        "set sluice.user_token = '{0}'; select 1",
        "select 1 /*sluice_user_token='{0}'*/; select 2",
        "select 1 /*sluice_user_token='{0}'*/ /*sluice_user_token='{0}'*/",
        "set sluice.user_token = '{0}' /*sluice_user_token='{0}'*/",
        "alter role current_user set sluice.user_token = '{0}'",
        "do $$ begin perform set_config('sluice.user_token', '{0}', false); end $$",
        "set sluice.user_token = E'{1}'",
        "set sluice.user_token = U&'{2}'",
        "set U&\"sluice\".\"user\\005ftoken\" = '{0}'",
    ],
)
def test_spellings_that_the_gateway_does_not_follow_are_refused(gateway: Gateway, wim: str, text: str) -> None:
    spelled = text.replace("{0}", wim).replace("{1}", f"\\x{ord(wim[0]):02x}{wim[1:]}")
    spelled = spelled.replace("{2}", f"\\{ord(wim[0]):04x}{wim[1:]}")
    with account(gateway) as connection:
        clear = mail(connection)
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(spelled)
        assert wim not in str(refused.value)
        if not connection.closed:
            assert mail(connection) == clear


def test_who_has_no_such_grant_names_nobody(gateway: Gateway, wim: str) -> None:
    with gateway.connect("dev", "wim", ("writers",)) as connection:
        olga = gateway.token("olga", ("owners",))
        for text in (f"set sluice.user_token = '{olga}'", f"select 1 /*sluice_user_token='{olga}'*/"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="end user") as refused:
                connection.execute(text)
            assert olga not in str(refused.value)
    with (
        gateway.connect("dev", "olga", ("owners",)) as connection,  # not even who may do everything
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="end user"),
    ):
        connection.execute(f"set sluice.user_token = '{wim}'")


def test_the_session_ends_when_the_right_of_the_person_does(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(workers=1)
    wim = gateway.token("wim", ("writers",))
    with account(gateway) as works, account(gateway) as itself:
        become(works, wim)
        assert mail(works)
        assert mail(itself)
        gone = POLICY.replace('name = "writers write development"\ngroups = ["writers"]', 'name = "x"\ngroups = ["others"]')
        began = time.monotonic()
        gateway.reload(gone)

        wait_for("the end of the session", lambda: select([works.pgconn.socket], [], [], 0.02)[0], 5)
        assert time.monotonic() - began < 5
        with pytest.raises(psycopg.OperationalError, match="the right behind this session has ended"):
            works.execute("select 1")
        assert mail(itself)
