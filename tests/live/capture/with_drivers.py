"""The Python drivers themselves: psycopg with its pool, psycopg2, asyncpg, pg8000."""

import asyncio
import os

import asyncpg
import pg8000.native
import psycopg
import psycopg2
import psycopg2.extras
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo
from psycopg_pool import ConnectionPool

PLACE = {
    "host": "127.0.0.1",
    "port": int(os.environ["PGPORT"]),
    "user": os.environ["PGUSER"],
    "password": os.environ["PGPASSWORD"],
}
DSN = "host=127.0.0.1 dbname=corpus application_name="


def name(text: str) -> dict[str, str]:
    return {"application_name": text[:63]}


with ConnectionPool("dbname=corpus", kwargs=name("writer prod psycopg: a pool that checks"), min_size=1, max_size=1,
                    check=ConnectionPool.check_connection) as pool:  # fmt: skip
    for number in range(2):
        with pool.connection() as connection:
            connection.execute("SELECT id, total FROM orders WHERE id = %s", [number + 1]).fetchall()
            connection.execute("UPDATE orders SET status = %s WHERE id = %s", ["seen", number + 1])
with psycopg.connect("dbname=corpus", **name("reader prod psycopg: types looked up")) as connection:
    (
        TypeInfo.fetch(connection, "mood"),
        EnumInfo.fetch(connection, "mood"),
        CompositeInfo.fetch(connection, "pair"),
    )
    with connection.cursor("named") as cursor:
        cursor.itersize = 10
        list(cursor.execute("SELECT id FROM orders ORDER BY id"))
with (
    psycopg.connect("dbname=corpus", **name("writer prod psycopg: savepoints, executemany")) as connection,
    connection.transaction(),
    connection.cursor() as cursor,
):
    cursor.executemany("INSERT INTO items VALUES (%s, %s, %s)", [(1, "x", 1), (2, "y", 2)])
    with connection.transaction(force_rollback=True):
        cursor.execute("DELETE FROM items WHERE order_id = %s", [1])
connection = psycopg2.connect(dbname="corpus", **name("writer prod psycopg2: values, hstore, a session"))
connection.set_session(isolation_level="REPEATABLE READ", readonly=False)
with connection, connection.cursor() as cursor:
    psycopg2.extras.execute_values(cursor, "INSERT INTO items VALUES %s", [(3, "x", 1), (4, "it's", 2)])
    cursor.execute("SELECT * FROM stock WHERE product = ANY(%s)", [["thing 1", "thing 2"]])
    psycopg2.extras.HstoreAdapter.get_oids(connection)
connection.close()


async def with_asyncpg() -> None:
    place = {**PLACE, "database": "corpus", "ssl": False}
    pool = await asyncpg.create_pool(
        **place, min_size=1, max_size=1, server_settings=name("writer prod asyncpg: a pool, types")
    )
    async with pool.acquire() as connection:
        await connection.fetch("SELECT id, total, status FROM orders WHERE id < $1 ORDER BY id", 3)
        await connection.fetch("SELECT tags, said FROM notes ORDER BY id")
        await connection.fetchval("SELECT 'good'::mood")
        await connection.fetchval("SELECT ROW(1, 'x')::pair")
        await connection.set_type_codec("jsonb", encoder=str, decoder=str, schema="pg_catalog")
        async with connection.transaction():
            await connection.execute("UPDATE stock SET quantity = $2 WHERE product = $1", "thing 1", 3)
        await connection.copy_records_to_table("items", records=[(5, "c", 1)])
        await connection.reset()
        async with connection.transaction(isolation="serializable", readonly=True, deferrable=True):
            async for _ in connection.cursor("SELECT id FROM orders ORDER BY id LIMIT 5", prefetch=2):
                pass
    await pool.close()


asyncio.run(with_asyncpg())
connection = pg8000.native.Connection(**PLACE, database="corpus", **name("reader prod pg8000"))
connection.run("SELECT id, total FROM orders WHERE id = :id", id=3)
connection.run("START TRANSACTION")
connection.run("SELECT count(*) FROM orders")
connection.run("COMMIT")
connection.close()
