"""`sluice audit disclosed` as a user types it."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from zstandard import ZstdCompressor

from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.records import ColumnsInfo, RulingInfo, SessionInfo
from gateway.masking.key_cells import Keys
from gateway.masking.key_sets import Digester, sets
from workers.audit_group import audit
from workers.audit_log import AuditLog
from workers.configuration import load_digest_key
from workers.init import init

TABLE = "public.customers"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init(tmp_path)
    return tmp_path


def write(folder: Path, user: str, *keys: str, host: str = "db1", changed: bool = False) -> None:
    """One statement of this user that showed the rows of these keys, in a trail of that host."""
    digester = Digester(load_digest_key(folder / "sluice.toml", {}))
    log = AuditLog(folder / "var" / host, host, 0)
    who = SessionCard(SessionInfo("s-" + user, user, actors=("agent-7",), application="psql\x1b[2J", database="prod"))
    columns = (f"{TABLE}.id", f"{TABLE}.email")
    what = RulingCard(RulingInfo(1, "abc", "SELECT * FROM customers", "ff", ("SELECT",), (TABLE,), columns))
    shown = ColumnsCard(ColumnsInfo(((f"{TABLE}.email", "email", "redact"),), ("public.orders.phone",)))
    now = 1_700_000_000_000_000_000
    intent = log.chain.intent(now, who, what)
    found = Keys([0], [0], "i")
    for key in keys:
        found.add(key.encode())
    if keys:
        ((count, packed),) = sets(digester.digests(found), "i")
        log.chain.rows(now, intent, TABLE, changed, count, packed)
    log.chain.outcome(now + 1, intent, "ok", 3, 9, shown, "SELECT", "", 500)
    log.close()


def run(folder: Path, *arguments: str, hosts: tuple[str, ...] = ("db1",)) -> Result:
    directories = [part for host in hosts for part in ("--dir", str(folder / "var" / host))]
    options = ["--config", str(folder / "sluice.toml"), *directories]
    return CliRunner().invoke(audit, [*options, "disclosed", "--table", "customers", *arguments])


def test_lines_tell_who_was_shown_what_of_the_row(folder: Path) -> None:
    write(folder, "alice", "4711", "4712")
    write(folder, "bob", "4712")
    write(folder, "carol")
    result = run(folder, "--key", "4711")
    assert result.exit_code == 0, result.output
    first, columns, statement, count, wrong, more = result.stdout.splitlines()
    assert first.endswith("alice>agent-7 on prod through psql\\u{1b}[2J (s-alice)")
    assert columns == "    masked: email (redact); clear: public.orders.phone; other: id"
    assert statement.startswith("    ok: SELECT * FROM customers  db1-0.")
    assert count == "1 statements of 1 sessions"
    assert wrong == "expected to be wrong among them: 1e-14"
    assert more == "1 more statements on the table may have met the row: the result did not hold the whole primary key"


def test_json_is_one_object_a_line_over_the_trails_of_several_hosts(folder: Path) -> None:
    write(folder, "alice", "4711")
    write(folder, "bob", "4711", host="db2")
    result = run(folder, "--key", "4711", "--json", hosts=("db1", "db2"))
    *found, last = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [each["user"] for each in found] == ["alice", "bob"]
    assert last["summary"]["statements"] == 2
    assert last["summary"]["sets_searched"] == 2


def test_row_that_nobody_was_shown_is_an_empty_answer(folder: Path) -> None:
    write(folder, "alice", "4711")
    for key in ("1", "a person"):
        result = run(folder, "--key", key)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[0] == "0 statements of 0 sessions"


def test_rows_changed_are_asked_for_apart(folder: Path) -> None:
    write(folder, "alice", "4711", changed=True)
    assert "alice" in run(folder, "--key", "4711", "--changed").stdout
    assert "alice" not in run(folder, "--key", "4711").stdout


def test_times_bound_the_search(folder: Path) -> None:
    write(folder, "alice", "4711")
    assert "alice" in run(folder, "--key", "4711", "--since", "2023-11-14").stdout
    assert "alice" not in run(folder, "--key", "4711", "--until", "2023-11-14").stdout
    assert run(folder, "--key", "4711", "--since", "yesterday").exit_code == 2


def test_without_the_key_file_it_says_which_one_is_missing(folder: Path) -> None:
    write(folder, "alice", "4711")
    (folder / "mask.key").unlink()
    result = run(folder, "--key", "4711")
    assert result.exit_code == 2
    assert "mask.key" in result.output


def test_compressed_segment_is_searched_too_and_a_damaged_one_is_said(folder: Path) -> None:
    write(folder, "alice", "4711")
    (segment,) = (folder / "var" / "db1").glob("chain-*/00000000.seg")
    data = ZstdCompressor().compress(segment.read_bytes())
    segment.unlink()
    compressed = segment.with_name(segment.name + ".zst")
    compressed.write_bytes(data)
    assert "alice" in run(folder, "--key", "4711").stdout
    compressed.write_bytes(data[:20] + b"damage" + data[26:])
    result = run(folder, "--key", "4711")
    assert "1 chains could not be read: run `sluice audit verify`" in result.stdout
