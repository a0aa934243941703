"""Strings, names and numbers judged by the servers themselves: PostgreSQL 15 where Debian has it, 16 and 18 of the wheel.

Here is what libpg_query cannot be asked: standard_conforming_strings off, what values the later steps of the server make of
a literal, and what each version refuses. A literal must have the server's value, and be refused where the server refuses it.
"""

import shutil
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus

from parser.tokenizer import LexError, tokenize
from parser.tokens import Kind
from tests.live.rig import DEBIAN_15, private_directory
from tests.oracle.test_scanner import BODY
from workers.embedded import EmbeddedServer, wheel_programs

NEWEST = 18
Connections = dict[int, psycopg.Connection[Any]]


@pytest.fixture(scope="module")
def servers() -> Iterator[Connections]:
    programs = {16: wheel_programs(16), NEWEST: wheel_programs(NEWEST)}
    if DEBIAN_15.is_dir():
        programs[15] = DEBIAN_15
    running: list[EmbeddedServer] = []
    connections: Connections = {}
    homes = []
    try:
        for version, path in programs.items():
            homes.append(private_directory())
            server = EmbeddedServer(path, homes[-1], settings={"escape_string_warning": "off"})
            running.append(server)
            server.create()
            server.start()
            connections[version] = psycopg.connect(server.dsn(), autocommit=True)
        yield connections
    finally:
        for connection in connections.values():
            connection.close()
        for server in running:
            server.stop()
        for home in homes:
            shutil.rmtree(home)


def value(connection: psycopg.Connection[Any], sql: str) -> str | None:
    """The text of the one value that the statement returns, its column's name where it has no rows; None where refused."""
    try:
        cursor = connection.execute(sql.encode())
    except psycopg.Error:
        assert connection.info.transaction_status == TransactionStatus.IDLE
        return None
    row = cursor.fetchone()
    assert cursor.description is not None
    if row is None:
        return str(cursor.description[0].name)
    return str(row[0])


def ours(sql: str, standard: bool = True) -> list[tuple[Kind, str]] | None:
    try:
        return [token[:2] for token in tokenize(sql.encode(), standard_conforming_strings=standard)]
    except LexError:
        return None


@pytest.mark.parametrize("standard", [True, False])
@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["'", "E'", "U&'", "N'", "$$", "$t$"]), BODY, st.booleans())
@example("'", "a\\'b\\\\", False)
@example("E'", "\\ud83d\\", False)
@example("'", "\\xc3\\xa9\\303", False)
@example("E'", "\\xc3'\n'\\xa9", False)
def test_strings_have_the_server_s_values(
    servers: Connections, standard: bool, opening: str, body: str, clause: bool
) -> None:
    closing = opening if opening.startswith("$") else "'"
    sql = f"SELECT {opening}{body}{closing}" + (" UESCAPE '!'" if clause and opening == "U&'" else "")
    connection = servers[NEWEST]
    connection.execute(f"SET standard_conforming_strings = {'on' if standard else 'off'}")
    theirs, mine = value(connection, sql), ours(sql, standard)
    if theirs is None:  # of more tokens the grammar may be what it refused
        assert mine is None or len(mine) > 2, sql
    else:
        assert mine is not None, sql
        assert len(mine) > 2 or mine[1] == (Kind.STRING, theirs), sql


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(['"', 'U&"']), BODY, st.booleans())
@example('"', "日" * 22, False)
@example('U&"', "\\00e9" * 40, False)
@example('"', "a" * 62 + "é", False)
def test_names_are_the_server_s(servers: Connections, opening: str, body: str, clause: bool) -> None:
    tail = " UESCAPE '!'" if clause and opening == 'U&"' else ""
    sql = f'SELECT 1 AS {opening}{body}"{tail} WHERE false'
    theirs, mine = value(servers[NEWEST], sql), ours(sql)
    if theirs is None:
        assert mine is None or len(mine) > 6, sql
    else:
        assert mine is not None, sql
        assert len(mine) > 6 or mine[3] == (Kind.QUOTED, theirs), sql


def test_unquoted_names_are_folded_and_cut_as_the_server_does(servers: Connections) -> None:
    for name in ["ABC", "Äb", "a$B", "_X", "A" * 70, "a" * 62 + "É", "É" * 40, "x" * 61 + "日"]:
        sql = f"SELECT 1 AS {name} WHERE false"
        mine = ours(sql)
        assert mine is not None
        for connection in servers.values():
            assert mine[3][1] == value(connection, sql), name


# Of each number the oldest version that takes it as one; an older one refuses it (15) or is older than what runs here.
NUMBERS = {
    "42": 15, "007": 15, "1.5": 15, "1.": 15, ".5": 15, "1e5": 15, "1.5e-5": 15, "1_000": 16, "0x1F": 16, "0o17": 16,
    "0b101": 16, "0x_1f": 16, "1_000.000_1": 16, "1e1_0": 16,
}  # fmt: skip
REFUSED = ["1a", "1_", "1__0", "0x", "0xg", "0o8", "0b2", "1e", "1e+", "1.5a", "0x1g", "1_000a", "1e5a", "1._5", "0_x1"]
REFUSED += ["$1a", "1e5$1", "0x1$1"]


def test_a_number_that_a_version_takes_as_one_is_one(servers: Connections) -> None:
    for number, since in NUMBERS.items():
        mine = ours(f"SELECT {number}")
        assert mine is not None
        assert [text for _, text in mine] == ["select", number]
        for version, connection in servers.items():
            taken = value(connection, f"SELECT {number} WHERE true")
            assert (taken is not None) is (version >= since), (number, version)


def test_a_number_with_letters_behind_it_is_refused_as_by_every_version_since_15(servers: Connections) -> None:
    for number in REFUSED:
        assert ours(f"SELECT {number}") is None, number
        for version, connection in servers.items():
            assert value(connection, f"SELECT {number}") is None, (number, version)


def test_the_vertical_tab_is_white_space_from_17_on(servers: Connections) -> None:
    assert ours("SELECT\v1") == [(Kind.IDENT, "select"), (Kind.INTEGER, "1")]
    for version, connection in servers.items():
        assert (value(connection, "SELECT\v1") == "1") is (version >= 17)
