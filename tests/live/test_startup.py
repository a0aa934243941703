"""Transparent where poolers are not: process ids, start-up parameters, the server's last words, packets of any size."""

import struct

import psycopg
import pytest

from tests.live.rig import Gateway, Postgres, wait_for
from tests.live.wire import CANCEL_CODE, PROTOCOL_3_0, SSL_CODE, Wire, error_fields, message, query, startup

OLGA = {"user": "olga", "database": "dev"}
GSS_CODE = 80877104


def test_process_id_is_the_servers_own(gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        assert connection.execute("select pg_backend_pid()").fetchone() == (connection.info.backend_pid,)


def test_startup_parameters_travel_in_the_startup_packet(postgres: Postgres, gateway: Gateway) -> None:
    parameters = {
        "options": "-c statement_timeout=12345 -c search_path=pg_catalog -c custom.thing=some\\ words",
        "client_encoding": "UTF8",
        "application_name": "startup test",
        "DateStyle": "German, DMY",
        "TimeZone": "Asia/Tokyo",
        "extra_float_digits": "2",
        "IntervalStyle": "iso_8601",
    }
    names = ("statement_timeout", "search_path", "custom.thing", "application_name", "DateStyle", "TimeZone",
             "extra_float_digits", "IntervalStyle")  # fmt: skip

    def shown(port: int, user: str, database: str, password: str) -> tuple[list[str], dict[bytes, bytes]]:
        dsn = f"host=127.0.0.1 port={port}"
        with psycopg.connect(
            dsn, user=user, dbname=database, password=password, autocommit=True, **libpq
        ) as connection:
            values = [connection.execute(f"show {name}").fetchone() for name in names]
            # RESET goes back to what the start-up packet said: a SET sent afterwards would not survive it
            connection.execute("reset all")
            values += [connection.execute(f"show {name}").fetchone() for name in names]
            status = {
                name: connection.pgconn.parameter_status(name)
                for name in (b"TimeZone", b"DateStyle", b"application_name")
            }
            return values, status

    libpq = {"options": parameters["options"], "application_name": parameters["application_name"]}
    direct = shown(
        postgres.port, "sluice", "shop", psycopg.conninfo.conninfo_to_dict(postgres.dsn())["password"]
    )
    through = shown(gateway.port, "olga", "dev", gateway.token("olga", ("owners",)))
    assert direct == through
    with Wire(gateway.port) as wire:
        seen = wire.sign_in(gateway.token("olga", ("owners",)), OLGA | parameters)
        told = dict(body.rstrip(b"\0").split(b"\0") for kind, body in seen if kind == b"S")
        assert told[b"TimeZone"] == b"Asia/Tokyo"
        assert told[b"DateStyle"] == b"German, DMY"
        assert told[b"IntervalStyle"] == b"iso_8601"
        assert told[b"application_name"] == b"startup test"


def test_parameter_status_is_the_servers_word(gateway: Gateway) -> None:
    with gateway.connect("dev") as connection:
        connection.execute("set timezone = 'europe/oslo'")
        assert connection.pgconn.parameter_status(b"TimeZone") == b"Europe/Oslo", (
            "the server's spelling, not ours"
        )


def test_bad_startup_parameter_gets_the_servers_own_error(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        seen = wire.sign_in(gateway.token("olga", ("owners",)), OLGA | {"no_such_setting": "1"})
        fields = error_fields(seen[-2][1] if seen[-1][0] == b"" else seen[-1][1])
        assert (fields["C"], fields["S"]) == ("42704", "FATAL")


def test_last_words_of_a_terminated_backend_reach_the_client(postgres: Postgres, gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        seen = wire.sign_in(gateway.token("olga", ("owners",)), OLGA)
        pid = next(struct.unpack("!i", body[:4])[0] for kind, body in seen if kind == b"K")
        with postgres.connect() as admin:
            admin.execute("select pg_terminate_backend(%s)", (pid,))
        kind, body = wire.reply()
        assert kind == b"E"
        assert error_fields(body)["C"] == "57P01"
        assert error_fields(body)["M"] == "terminating connection due to administrator command"
        assert wire.reply() == (b"", b"")


def test_session_leaves_nothing_to_the_next_one(gateway: Gateway) -> None:
    for _ in range(6):
        with gateway.connect("dev") as connection:
            connection.execute("create temp table leftover (n int)")
            connection.execute("set work_mem = '7MB'")
            connection.execute("prepare leftover as select 1")
            connection.execute("select pg_advisory_lock(7)")
    with gateway.connect("dev") as connection:
        assert connection.execute("select to_regclass('pg_temp.leftover')").fetchone() == (None,)


def test_upstream_session_that_is_in_a_transaction_ends_with_its_client(postgres: Postgres, gateway: Gateway) -> None:
    connection = gateway.connect("dev", application_name="ends with me")
    connection.execute("begin")
    with postgres.connect(autocommit=True) as admin:
        count = "select count(*) from pg_stat_activity where application_name = 'ends with me'"
        assert admin.execute(count).fetchone() == (1,)
        connection.close()
        wait_for("the upstream session to end", lambda: admin.execute(count).fetchone() == (0,))


def test_newer_protocol_is_negotiated_once(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        seen = wire.sign_in(
            gateway.token("olga", ("owners",)), OLGA | {"_pq_.no_such_option": "1"}, PROTOCOL_3_0 + 99
        )
        negotiations = [body for kind, body in seen if kind == b"v"]
        assert len(negotiations) == 1
        newest, count = struct.unpack("!ii", negotiations[0][:8])
        assert newest in (PROTOCOL_3_0, PROTOCOL_3_0 + 2)
        assert count == 1
        assert negotiations[0][8:] == b"_pq_.no_such_option\0"
        assert seen[-1][0] == b"Z"


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_libpq_of_any_protocol_connects(postgres: Postgres, gateway: Gateway, version: str) -> None:
    with psycopg.connect(gateway.dsn("dev"), max_protocol_version=version) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_old_protocol_is_refused(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(startup(OLGA, 2 << 16))
        kind, body = wire.reply()
        assert kind == b"E"
        assert error_fields(body)["C"] in ("0A000", "08P01")
        assert wire.reply() == (b"", b"")


@pytest.mark.parametrize("code", [SSL_CODE, GSS_CODE], ids=["SSLRequest", "GSSENCRequest"])
def test_encryption_that_is_off_is_declined_and_the_session_starts(gateway: Gateway, code: int) -> None:
    with Wire(gateway.port) as wire:
        wire.send(struct.pack("!ii", 8, code))
        assert wire.read(1) == b"N"
        assert wire.sign_in(gateway.token("olga", ("owners",)), OLGA)[-1][0] == b"Z"


@pytest.mark.parametrize("extra", [b"x", startup(OLGA)], ids=["one byte", "a start-up packet"])
def test_bytes_before_the_answer_to_an_encryption_request_are_a_violation(
    gateway: Gateway, extra: bytes
) -> None:
    with Wire(gateway.port) as wire:
        wire.send(struct.pack("!ii", 8, SSL_CODE) + extra)
        seen = wire.read(1 << 16)
        assert b"08P01" in seen
        assert b"28P01" not in seen


@pytest.mark.parametrize("length", [0, 3, 4, 7, 10_005, 2**31 - 1, -1])
def test_startup_packet_of_an_impossible_length_is_refused(gateway: Gateway, length: int) -> None:
    with Wire(gateway.port) as wire:
        wire.send(struct.pack("!ii", length, PROTOCOL_3_0))
        reply = wire.read(1 << 16)
        assert reply == b"" or b"08P01" in reply


def test_startup_packet_as_long_as_postgresql_takes_works(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        seen = wire.sign_in(gateway.token("olga", ("owners",)), OLGA | {"custom.long": "x" * 9000})
        assert seen[-1][0] == b"Z"
        wire.send(query("select length(current_setting('custom.long'))"))
        assert any(body.endswith(b"9000") for kind, body in wire.replies() if kind == b"D")


@pytest.mark.parametrize("megabytes", [1, 6])
def test_parse_and_bind_larger_than_any_buffer_work(gateway: Gateway, megabytes: int) -> None:
    size = megabytes << 20
    with gateway.connect("dev") as connection:
        assert connection.execute("select length(%s::text)", ("x" * size,), prepare=True).fetchone() == (
            size,
        )
        statement = "select 1 /* " + "x" * (size // 8) + " */"
        assert connection.execute(psycopg.sql.SQL(statement), prepare=True).fetchone() == (1,)
        row = connection.execute("select repeat('y', %s)", (size,), binary=True).fetchone()
        assert row is not None
        assert len(row[0]) == size
        many = connection.execute(f"select {' + '.join(['%s::int'] * 3000)}", [1] * 3000).fetchone()
        assert many == (3000,)


def test_replication_is_refused_clearly(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        analyst = {"user": "ann", "database": "shop", "replication": "database"}
        seen = wire.sign_in(gateway.token("ann", ("analysts",)), analyst)
        errors = [error_fields(body) for kind, body in seen if kind == b"E"]
        assert len(errors) == 1
        assert errors[0]["C"] in ("0A000", "42501")
        assert "replication" in errors[0]["M"].lower()


def test_notifications_arrive_while_the_session_is_idle(gateway: Gateway) -> None:
    with gateway.connect("dev") as listener, gateway.connect("dev") as speaker:
        listener.execute("listen news")
        speaker.execute("select pg_notify('news', 'hello')")
        received = next(iter(listener.notifies(timeout=10, stop_after=1)))
        assert (received.channel, received.payload) == ("news", "hello")
        assert received.pid == speaker.info.backend_pid


def test_cancel_request_after_nothing_is_harmless(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.send(struct.pack("!iiii", 16, CANCEL_CODE, 1, 1))
        assert wire.read(1) == b""


def test_client_that_leaves_without_a_word_ends_its_session(postgres: Postgres, gateway: Gateway) -> None:
    wire = Wire(gateway.port)
    wire.sign_in(gateway.token("olga", ("owners",)), OLGA | {"application_name": "leaves silently"})
    wire.send(query("select pg_sleep(2)"))
    count = "select count(*) from pg_stat_activity where application_name = 'leaves silently'"
    with postgres.connect(autocommit=True) as admin:
        wait_for(
            "the statement to run", lambda: admin.execute(count + " and state = 'active'").fetchone() == (1,)
        )
        wire.close()
        wait_for("the upstream session to end", lambda: admin.execute(count).fetchone() == (0,), 10)


def test_reading_slowly_holds_the_server_back_and_loses_nothing(gateway: Gateway) -> None:
    """The client reads nothing while 64 MB wait for it; then all of it arrives."""
    with Wire(gateway.port) as slow, gateway.connect("dev") as other:
        slow.sign_in(gateway.token("olga", ("owners",)), OLGA)
        slow.send(query("select repeat('z', 65536) from generate_series(1, 1024)"))
        for n in range(50):
            assert other.execute("select %s::int", (n,)).fetchone() == (n,)
        rows = [len(body) for kind, body in slow.replies() if kind == b"D"]
        assert rows == [65536 + 6] * 1024


def test_many_messages_in_one_write_are_answered_in_order(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        wire.sign_in(gateway.token("olga", ("owners",)), OLGA)
        wire.send(b"".join(query(f"select {n}") for n in range(200)))
        answers = []
        for _ in range(200):
            answers += [body[6:] for kind, body in wire.replies() if kind == b"D"]
        assert answers == [str(n).encode() for n in range(200)]
        wire.send(message(b"X"))
        assert wire.reply() == (b"", b"")


def test_one_byte_at_a_time_is_enough(gateway: Gateway) -> None:
    with Wire(gateway.port) as wire:
        for byte in startup(OLGA):
            wire.send(bytes([byte]))
        assert wire.replies(b"R")[-1][0] == b"R"
        for byte in message(b"p", gateway.token("olga", ("owners",)).encode() + b"\0"):
            wire.send(bytes([byte]))
        assert wire.replies()[-1][0] == b"Z"
        for byte in query("select 'slow'"):
            wire.send(bytes([byte]))
        assert any(body.endswith(b"slow") for kind, body in wire.replies() if kind == b"D")
