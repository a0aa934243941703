"""What agents declare, through real drivers: held to it by a rule, and on record beside what they did."""

import asyncio
import json
from typing import Any

import asyncpg
import psycopg
import pytest

from tests.live.rig import Gateway

EMAIL = "canary.intent@example.com"


def agent(gateway: Gateway, *options: str, **more: Any) -> psycopg.Connection:
    """An agent of a writer's, whose token says more."""
    minted = gateway.sluice("token", "mint", "--user", "wim", "--groups", "writers", "--actor", "agent-7", *options)
    assert minted.returncode == 0, minted.stderr
    return psycopg.connect(
        f"host=127.0.0.1 port={gateway.port} dbname=dev user=wim password={minted.stdout.strip()}", autocommit=True, **more
    )


def of(gateway: Gateway, tag: str, *filters: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Intents whose statement holds `tag`, and their outcomes."""
    records = gateway.audit("--text", tag, *filters)
    return [one for one in records if one["kind"] == "intent"], [one for one in records if one["kind"] == "outcome"]


def test_agent_that_declared_a_read_may_not_write(gateway: Gateway) -> None:
    with agent(gateway, "--model", "model-5", "--run", "run-9") as connection:
        connection.execute(f"set sluice.reason = 'effect=read tables=public.customers ticket=T-12 cities of {EMAIL}'")
        assert connection.execute("select count(city) as intent_read from customers").fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="agents do as they declare") as refused:
            connection.execute("update customers set city = 'intent_write' where id = 1")
        assert "the statement writes, which was not declared" in str(refused.value)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"reads public\.orders"):
            connection.execute("select count(*) as intent_outside from orders where id = %s", (1,))
        connection.execute("discard all")
        connection.execute("update customers set city = city where id = %s and 'intent_free' <> city", (1,))
    (read,), _ = of(gateway, "intent_read")
    assert (read["model"], read["run"], read["actor"]) == ("model-5", "run-9", ["agent-7"])
    assert read["declared"]["mismatch"] == []
    assert (read["declared"]["ticket"], read["declared"]["source"]) == ("T-12", "session")
    assert read["labels"] == {}
    (write,), (outcome,) = of(gateway, "update customers", "--decision", "deny")
    assert write["declared"]["effect"] == "read"
    assert write["declared"]["tables"] == ["public.customers"]
    assert write["declared"]["mismatch"] == ["writes"]
    assert write["rules"][0] == "agents do as they declare"
    assert (outcome["status"], outcome["sqlstate"], outcome["affected"]) == ("refused", "42501", {})
    (free,), (done,) = of(gateway, "update customers", "--decision", "allow", "--actor", "agent-7")
    assert free["declared"] is None
    assert done["affected"] == {"public.customers": 1}
    assert EMAIL not in json.dumps(gateway.audit())


def test_transaction_that_is_rolled_back_takes_the_declaration_along(gateway: Gateway) -> None:
    with agent(gateway) as connection:
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute("select set_config('sluice.reason', 'effect=read', false)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute("update customers set city = city where id = 1")
            raise ZeroDivisionError
        connection.execute("update customers set city = city where id = 1")
        assert connection.execute("show sluice.reason").fetchone() == ("",)


def test_token_start_up_and_comment_declare_too(gateway: Gateway) -> None:
    with agent(gateway, "--intent", "effect=read from the token") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update customers set city = city where id = 1")
        connection.execute("update customers set city = city where id = 1 /*sluice_effect='write',sluice_ticket='T-77'*/")
    with agent(gateway, options="-c sluice.reason=effect=read") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update customers set city = city where id = 1")
        connection.execute("set sluice.reason = 'effect=write'")
        connection.execute("update customers set city = city where id = 1")
        connection.execute("reset all")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update customers set city = city where id = 1")
    intents, _ = of(gateway, "update customers set city = city")
    (own,) = [one for one in intents if (one["declared"] or {}).get("ticket") == "T-77"]
    assert (own["declared"]["reason"], own["declared"]["source"]) == ("from the token", "statement")


def test_one_value_has_one_digest_whatever_driver_and_format_bring_it(gateway: Gateway) -> None:
    """psycopg in text, literally and in binary, asyncpg in binary."""
    number = 71_024_711

    async def by_asyncpg() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=gateway.port,
            database="dev",
            user="olga",
            password=gateway.token("olga", ("owners",)),
            ssl=False,
        )
        await connection.fetch("select id as literal_a from customers where id = $1::int4 and city <> $2", number, EMAIL)
        await connection.close()

    asyncio.run(by_asyncpg())
    with gateway.connect("dev") as connection:
        sql = "select id as literal_b from customers where id = %s and city <> %s"
        connection.execute(sql, (number, EMAIL))
        connection.execute(sql, (number, EMAIL), binary=True)
        connection.execute(f"select id as literal_c from customers where id = {number} and city <> '{EMAIL}'")
        connection.execute("select %s::text as literal_d, %s::int", (None, number + 1))
    found = {one["id"]: one for one in gateway.audit("--literal", str(number)) if one["kind"] == "intent"}
    tags = [one["statement"].partition(" from ")[0].rpartition("_")[2] for one in found.values()]
    assert tags == ["a", "b", "b", "c"]
    digests = {tuple(one["literals"]) for one in found.values()}
    assert len(digests) == 1
    assert set(found) == {one["id"] for one in gateway.audit("--literal", EMAIL) if one["kind"] == "intent"}
    (other,), _ = of(gateway, "literal_d")
    assert other["literals"][0] == "00" * 8
    assert not gateway.audit("--literal", "710247")
