"""Sessions that play entries of the corpus on the bare wire, what they were answered, and the traces that effects leave."""

import re
import struct
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from tests.live.corpus import Entry
from tests.live.mutation import KINDS, chunks, mutate, statements
from tests.live.rig import wait_for
from tests.live.test_masking_live import CANARIES
from tests.live.wire import Wire, error_fields, message, query

APPLICATION = "corpus"
NAME, TWIN = "corpus", "twin"  # databases: the gateway's, and the one that answers directly
SEED = 20
SYNC = message(b"S")
_DISGUISED = tuple(
    form
    for one in (b"Canary", b"canary.")
    for form in (one.upper(), one[::-1], one.hex().encode(), b64encode(one)[:6])
)
_BRACES = re.compile(r"\{([^{}]+)\}")


@dataclass(slots=True)
class Answer:
    """What one text was answered, without notices and the server's settings."""

    names: list[list[bytes]] = field(default_factory=list)  # of the columns of each result
    rows: list[tuple[bytes | None, ...]] = field(default_factory=list)
    copied: bytes = b""
    tags: list[bytes] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    status: bytes = b""
    ended: bool = False

    @property
    def denied(self) -> bool:
        """Refused by the gateway: the server itself has neither its rules nor its records."""
        return any(one["C"] == "42501" and one.get("H") and one.get("D") for one in self.errors)

    @staticmethod
    def difference(ours: "Answer", direct: "Answer", entry: Entry, text: str) -> str:
        """How an answer to the text differs from the direct one, "" where it does not but in masked columns."""
        for error, other in zip(ours.errors, direct.errors, strict=False):
            if error["C"] != other["C"]:
                return f"{error['C']} {error['M']!r} in place of {other['C']}"
        if len(ours.errors) != len(direct.errors):
            return f"stopped: {[one['M'] for one in ours.errors]} in place of {[one['M'] for one in direct.errors]}"
        rows = entry.compare == "rows"
        for mine, its in ((ours.names, direct.names), (ours.tags, direct.tags), (ours.status, direct.status)):
            if mine != its and (rows or mine is not ours.tags):
                return f"{mine!r} in place of {its!r}"
        names = [name.decode() for name in ours.names[0]] if len(ours.names) == 1 else []
        hidden = {n for n, name in enumerate(names) if name in entry.masked}
        if rows and (found := _rows_differ(ours.rows, direct.rows, hidden, "order by" in text.lower())):
            return found
        return "other data copied" if rows and ours.copied != direct.copied and not entry.masked else ""


Row = tuple[bytes | None, ...]


def _rows_differ(ours: list[Row], direct: list[Row], hidden: set[int], ordered: bool) -> str:
    """How the rows differ in what is not hidden. Without ORDER BY their order says nothing."""

    def plain(rows: list[Row]) -> list[Row]:
        shown = [tuple(cell for n, cell in enumerate(row) if n not in hidden) for row in rows]
        return shown if ordered else sorted(shown, key=lambda row: tuple(cell or b"" for cell in row))

    there = [tuple(cell and cell.replace(TWIN.encode(), NAME.encode()) for cell in row) for row in direct]
    for mine, its in zip(plain(ours), plain(direct), strict=True):
        for n, (cell, clear) in enumerate(zip(mine, its, strict=True)):
            if cell != clear and plain(ours) != plain(there):
                return f"column {n + 1}: {cell!r} in place of {clear!r}"
    return ""


class Player:
    """One session. Texts are sent as `way` says: "simple", "extended", "respelled" (in another spelling and in pieces),
    "joined" (all in one simple Query) or "split" (each statement of each text as a simple Query of its own)."""

    def __init__(self, port: int, database: str, user: str, secret: str, names: dict[str, str]) -> None:
        self._wire = Wire(port)
        self._names = names
        self._twin = database == TWIN
        self._received: list[bytes] = []
        parameters = {
            "user": user,
            "database": database,
            "application_name": APPLICATION,
            "client_encoding": "UTF8",
        }
        seen = self._wire.sign_in(secret, parameters)
        assert seen[-1][0] == b"Z", seen

    def __enter__(self) -> "Player":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # the session may have ended by itself, which its last answer tells
            self._wire.send(message(b"X"))
        self._wire.close()

    def play(self, entry: Entry, way: str) -> list[Answer]:
        """The answers to the entry's texts, one for each; an ended session answers no more."""
        answers = []
        texts = entry.texts
        if way == "joined":
            texts = (";\n".join(entry.texts),)
        elif way == "split":
            texts = tuple(one for text in entry.texts for one in statements(text))
        for number, text in enumerate(texts):
            text = self._filled(text)
            if way == "respelled":
                text = mutate(text, frozenset(KINDS), SEED + number)
            params = [] if way == "split" else [one and self._filled(one) for one in entry.params[number]]
            simple = way in ("simple", "joined", "split") or (way == "respelled" and "simple" in entry.sent)
            frames = query(text) if simple else extended(text, params)
            for part in chunks(frames, SEED + number) if way == "respelled" else [frames]:
                self._wire.send(part)
            answers.append(self._answer(entry.data.encode(), simple))
            if answers[-1].ended:
                break
        return answers

    def _filled(self, text: str) -> str:
        """The text with what stands in braces in its place."""
        text = text.replace(NAME, TWIN) if self._twin else text
        return _BRACES.sub(lambda found: self._names.get(found[1], found[0]), text) if "{" in text else text

    def _answer(self, data: bytes, simple: bool) -> Answer:
        answer = Answer()
        while True:
            kind, body = self._wire.reply()
            self._received.append(body)
            if kind == b"T":
                answer.names.append([name for name, _ in fields(body)])
            elif kind == b"D":
                answer.rows.append(row(body))
            elif kind == b"d":
                answer.copied += body
            elif kind == b"C":
                answer.tags.append(body)
            elif kind == b"E":
                answer.errors.append(error_fields(body))
            elif kind == b"G":
                self._wire.send(
                    (message(b"d", data) if data else b"") + message(b"c") + (b"" if simple else SYNC)
                )
            elif kind in (b"Z", b""):
                answer.status, answer.ended = body, not kind
                return answer

    def leaked(self, entry: Entry) -> list[bytes]:
        """Canaries that came back although the entry did not bring them along."""
        brought = " ".join((*entry.texts, *(one or "" for each in entry.params for one in each))).encode()
        received = b"\n".join(self._received)
        return [one for one in (*CANARIES, *_DISGUISED) if one in received and one not in brought]


def extended(text: str, params: Sequence[str | None]) -> bytes:
    """Parse, Bind with parameters in text form, Describe, Execute and Sync, all unnamed."""
    given = [None if one is None else one.encode() for one in params]
    values = b"".join(struct.pack("!i", -1 if one is None else len(one)) + (one or b"") for one in given)
    return (
        message(b"P", b"\0" + text.encode() + b"\0\0\0")
        + message(b"B", b"\0\0\0\0" + struct.pack("!h", len(params)) + values + b"\0\0")
        + message(b"D", b"P\0")
        + message(b"E", b"\0\0\0\0\0")
        + SYNC
    )


def fields(body: bytes) -> list[tuple[bytes, int]]:
    """(name, table oid) of each column of a RowDescription."""
    found, at = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", at)
        found.append((body[at:end], struct.unpack_from("!i", body, end + 1)[0]))
        at = end + 19
    return found


def row(body: bytes) -> tuple[bytes | None, ...]:
    cells: list[bytes | None] = []
    at = 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        size = struct.unpack_from("!i", body, at)[0]
        cells.append(None if size < 0 else body[at + 4 : at + 4 + size])
        at += 4 + max(size, 0)
    return tuple(cells)


# Everything that lasts. A row of a catalogue that is written gets another xmin; statistics, written in place, do not.
_CATALOGUES = """pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_authid pg_cast pg_class
pg_collation pg_constraint pg_conversion pg_database pg_db_role_setting pg_default_acl pg_depend pg_description pg_enum
pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_index pg_inherits pg_init_privs
pg_language pg_largeobject pg_largeobject_metadata pg_namespace pg_opclass pg_operator pg_opfamily pg_parameter_acl
pg_partitioned_table pg_policy pg_proc pg_publication pg_publication_rel pg_range pg_replication_origin pg_rewrite
pg_seclabel pg_sequence pg_shdescription pg_shseclabel pg_statistic_ext pg_subscription pg_tablespace pg_transform
pg_trigger pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user_mapping""".split()  # noqa: SIM905
_NOT_TEMPORARY = {"pg_namespace": "WHERE nspname !~ '^pg_(toast_)?temp_'"}  # these stay when the session ends
_SUM = "SELECT '{0}', count(*), sum(hashtextextended({1}::text, 0)) FROM {2} t"
_OTHERS = """
UNION ALL SELECT 'auto.conf', 0, hashtextextended(pg_read_file('postgresql.auto.conf'), 0)
UNION ALL SELECT 'slots', count(*), 0 FROM pg_replication_slots
UNION ALL SELECT 'prepared', count(*), 0 FROM pg_prepared_xacts
UNION ALL SELECT 'reset', count(stats_reset), sum(extract(epoch FROM stats_reset)) FROM pg_stat_database
UNION ALL SELECT 'loaded', 0, extract(epoch FROM pg_conf_load_time())
UNION ALL SELECT 'sequence ' || sequencename, coalesce(last_value, 0), 0 FROM pg_sequences
"""


class State:
    """What lasts in a database and its server, as one text that can be compared."""

    def __init__(self, connection: psycopg.Connection, folder: Path) -> None:
        self.connection = connection
        self._folder = folder

    def trace(self, victim: int, spared: int = 0) -> str:
        """Waits until all sessions of the corpus but `spared` ones are gone. `victim`: process id of one that must stay.

        Where even the own session is gone, that is the trace.
        """
        try:
            return self._trace(victim, spared)
        except psycopg.OperationalError as error:
            return f"the session of the tests: {error}"

    def _trace(self, victim: int, spared: int) -> str:
        count = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = 'corpus' "
            "AND pid NOT IN (pg_backend_pid(), %s) AND application_name <> 'sluice'"
        )
        wait_for("the sessions to end", lambda: self._one(count, victim) <= spared)
        catalogues = " UNION ALL ".join(
            f"{_SUM.format(one, 't.xmin', one)} {_NOT_TEMPORARY.get(one, '')}" for one in _CATALOGUES
        )
        lines = [str(line) for line in self.connection.execute(catalogues + _OTHERS)]
        alive = self._one("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", victim)
        files = [file.name for file in sorted(self._folder.iterdir())]
        return "\n".join([*lines, *self.rows(self.connection), f"victim {alive}", f"files {files}"])

    def _one(self, sql: str, *values: Any) -> Any:
        row = self.connection.execute(sql.encode(), values).fetchone()
        return row and row[0]

    @staticmethod
    def rows(connection: psycopg.Connection) -> list[str]:
        """The number and a hash of the rows of every table."""
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') AND relispopulated "
            "AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1"
        ).fetchall()
        each = " UNION ALL ".join(_SUM.format(name.replace("'", "''"), "t", name) for (name,) in tables)
        return [str(line) for line in connection.execute(each.encode())]

    @staticmethod
    def difference(before: str, after: str) -> str:
        return "; ".join(sorted(set(after.split("\n")) - set(before.split("\n"))))
