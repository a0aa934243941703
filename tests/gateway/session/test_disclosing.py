"""Keys of the rows that a session is shown go on record with them, whatever the door, masked or clear."""

import struct
from collections.abc import Sequence

import pytest

from gateway.audit import records
from gateway.audit.segment import SegmentReader
from gateway.masking.added_keys import INSIDE
from gateway.masking.key_sets import Digester, Probe, read
from gateway.masking.row_keys import Accounting, Extent
from gateway.session import rows_out
from gateway.session.disclosing import FOREIGN_TEXT, TOO_LONG, UNREAD
from parser.messages import bind, command_complete, describe, execute, frame, parse, query
from tests.gateway.masking.shop import (
    CUSTOMERS,
    DATE,
    INT4,
    ORDERS,
    TEXT,
    VARCHAR,
    catalog,
    data_row,
    description,
)
from tests.gateway.session.rig import (
    BOUND,
    CLEAR,
    CLOSED,
    COPY_DONE,
    PARSED,
    READ,
    READY,
    SYNC,
    VALUE,
    Rig,
    failure,
    field,
    kinds,
)

DIGESTER = Digester(b"k" * 32)
PEOPLE = "public.customers"
ID_EMAIL = description(("id", CUSTOMERS, 1, INT4), ("email", CUSTOMERS, 3, VARCHAR))
SELECT = "select id, email from customers"


def rig_of(policy: str) -> Rig:
    return Rig(policy, accounting=Accounting(DIGESTER))


def row(number: int) -> bytes:
    return data_row(str(number).encode(), b"ann@shop.example")


def recorded(rig: Rig) -> list[records.Rows]:
    """The records of rows shown, each before its statement's outcome."""
    frames = SegmentReader().feed(rig.chain.header + rig.chain.take(rig.now))
    ended: set[int] = set()
    found: list[records.Rows] = []
    for one in frames:
        said = records.decode(one.kind, one.payload)
        if one.kind == records.OUTCOME:
            ended.add(said.intent)
        elif one.kind == records.ROWS:
            assert said.intent not in ended
            found.append(said)
    return found


def shown(rig: Rig, table: str = PEOPLE) -> list[int]:
    """Of the numbers up to 99, those whose rows are on record."""
    sets = [read(one.digests, one.count) for one in recorded(rig) if one.table == table]
    return [
        number
        for number in range(100)
        for digest in [Probe(DIGESTER, (str(number),)).digest("i")]
        if digest is not None and any(one.holds(digest) for one in sets)
    ]


def reasons(rig: Rig) -> list[str]:
    return [read(one.digests, one.count).why for one in recorded(rig) if not one.count]


@pytest.mark.parametrize("policy", [READ, CLEAR], ids=["masked", "clear"])
def test_rows_of_a_simple_query_are_on_record_and_go_out_as_ever(policy: str) -> None:
    rig = rig_of(policy)
    rig.ask(query(SELECT))
    said = rig.say(frame(b"T", ID_EMAIL), row(7), row(8), command_complete("SELECT 2"), READY)
    assert kinds(said) == b"TDDCZ"
    assert (said[1] == row(7)) == (policy is CLEAR)
    assert shown(rig) == [7, 8]
    (outcome,) = [entry for entry in rig.entries() if entry.outcome is not None]
    assert outcome.disclosed == {(PEOPLE, False): 2}


@pytest.mark.parametrize("policy", [READ, CLEAR], ids=["masked", "clear"])
def test_rows_of_an_execute_that_nobody_described_are_described_by_the_gateway(policy: str) -> None:
    rig = rig_of(policy)
    asked = rig.ask(parse("", SELECT), bind("", "", result_formats=[1]), execute(""), SYNC)
    assert kinds(asked) == b"PBDES"
    binary = description(("id", CUSTOMERS, 1, INT4), ("email", CUSTOMERS, 3, VARCHAR))
    binary = binary.replace(struct.pack(">ihih", INT4, -1, -1, 0), struct.pack(">ihih", INT4, -1, -1, 1))
    cells = data_row(struct.pack(">i", 9), b"ann@shop.example")
    said = rig.say(PARSED, BOUND, frame(b"T", binary), cells, command_complete("SELECT 1"), READY)
    assert b"T" not in kinds(said)
    assert shown(rig) == [9]


def test_results_without_a_key_leave_nothing_and_are_not_described() -> None:
    rig = rig_of(CLEAR)
    rig.ask(query("select email from customers"))
    rig.say(frame(b"T", description(("email", CUSTOMERS, 3, VARCHAR))), data_row(b"a@b.example"), READY[:0])
    asked = rig.ask(parse("", "select item from orders"), bind("", ""), execute(""), SYNC) if rig.session.idle else []
    assert b"D" not in kinds(asked)
    assert recorded(rig) == []


def test_rows_are_on_record_before_they_are_delivered_not_when_the_result_ends() -> None:
    rig = rig_of(CLEAR)
    rig.ask(query(SELECT))
    whole = frame(b"T", ID_EMAIL) + b"".join(map(row, range(20)))
    for cut in range(0, len(whole), 97):
        rig.session.server(whole[cut : cut + 97], rig.now)
        delivered = b"".join(rig.session.to_client).count(b"ann@shop")
        assert len(shown(rig)) >= delivered
    assert shown(rig) == list(range(20))


def copy_rows(dialect: str) -> Sequence[bytes]:
    if dialect == "binary":
        head = b"PGCOPY\n\xff\r\n\0" + bytes(8)
        tuples = [struct.pack(">hii", 2, 4, number) + struct.pack(">i", 1) + b"x" for number in (5, 6)]
        return [frame(b"d", head + tuples[0]), frame(b"d", tuples[1]), frame(b"d", b"\xff\xff")]
    if dialect == "csv, header":
        return [frame(b"d", line) for line in (b"id,email\n", b'5,"a,b"\n', b"6,\n")]
    return [frame(b"d", line) for line in (b"5\ta@b.example\n", b"6\t\\N\n")]


@pytest.mark.parametrize("policy", [READ, CLEAR], ids=["masked", "clear"])
@pytest.mark.parametrize("dialect", ["text", "csv, header", "binary"])
def test_rows_of_a_copy_are_on_record(policy: str, dialect: str) -> None:
    rig = rig_of(policy)
    rig.ask(query(f"copy (select id, email from customers) to stdout (format {dialect})"))
    opened = frame(b"H", b"\0" + struct.pack(">hhh", 2, 0, 0))
    rig.say(opened, *copy_rows(dialect), COPY_DONE, command_complete("COPY 2"), READY)
    assert shown(rig) == [5, 6]
    assert not reasons(rig)


def test_statements_of_one_text_have_each_their_own_rows() -> None:
    rig = rig_of(CLEAR)
    rig.ask(query(f"{SELECT}; select id from orders; {SELECT}"))
    orders = frame(b"T", description(("id", ORDERS, 1, INT4)))
    people, done = frame(b"T", ID_EMAIL), command_complete("SELECT 1")
    rig.say(people, row(1), done, orders, data_row(b"50"), done, people, row(2), done, READY)
    one, other = recorded(rig)
    assert (one.table, other.table) == (PEOPLE, PEOPLE)
    assert one.intent != other.intent
    assert shown(rig) == [1, 2]


def test_what_cannot_be_read_is_said_once_of_a_result() -> None:
    rig = rig_of(CLEAR)
    known = catalog()
    known.primary[CUSTOMERS] = type(known.primary[CUSTOMERS])(PEOPLE, (6,))
    rig.catalog = known
    rig.session.scope.stale = True
    rig.ask(query("select birth_date from customers"))
    described = frame(b"T", description(("birth_date", CUSTOMERS, 6, DATE)))
    rig.say(described, data_row(b"28.11.2026"))
    rig.say(data_row(b"29.11.2026"), command_complete("SELECT 2"), READY)
    assert reasons(rig) == [UNREAD]


def test_text_in_another_encoding_is_said_where_it_is_more_than_ascii() -> None:
    rig = Rig(CLEAR, accounting=Accounting(DIGESTER), parameters=(("client_encoding", "LATIN1"),))
    known = catalog()
    known.primary[CUSTOMERS] = type(known.primary[CUSTOMERS])(PEOPLE, (2,))
    rig.catalog = known
    rig.session.scope.stale = True
    rig.ask(query("select name from customers"))
    described = frame(b"T", description(("name", CUSTOMERS, 2, TEXT)))
    rig.say(described, data_row(b"Ann"))
    assert reasons(rig) == []
    rig.say(data_row(b"J\xf8rgen"), command_complete("SELECT 2"), READY)
    assert reasons(rig) == [FOREIGN_TEXT]


def test_long_row_is_held_for_its_key_and_one_too_long_passes_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = rig_of(CLEAR)
    rig.ask(query(SELECT))
    long = data_row(b"3", b"x" * 100_000)
    assert rig.say(frame(b"T", ID_EMAIL), long[:70_000])[-1][:1] == b"T"
    assert rig.say(long[70_000:]) == [long]
    assert shown(rig) == [3]
    monkeypatch.setattr(rows_out, "MASKED_FRAME_BYTES_MAX", 65_536)
    rig.say(long[:70_000])
    rig.say(long[70_000:], command_complete("SELECT 2"), READY)
    assert reasons(rig) == [TOO_LONG]


def test_statement_that_runs_without_a_record_is_left_alone() -> None:
    rig = rig_of(CLEAR)
    rig.session.client(query(SELECT), rig.now)
    item, _ = rig.session.staged[0]
    item.intents = (0,)
    rig.say(frame(b"T", ID_EMAIL), row(1), command_complete("SELECT 1"), READY)
    assert recorded(rig) == []


def test_describe_of_the_client_itself_is_enough() -> None:
    rig = rig_of(CLEAR)
    asked = rig.ask(parse("", SELECT), bind("", ""), describe("P", ""), execute(""), SYNC)
    assert kinds(asked) == b"PBDES"
    rig.say(PARSED, BOUND, frame(b"T", ID_EMAIL), row(4), command_complete("SELECT 1"), READY)
    assert shown(rig) == [4]


CHANGES = f"{CLEAR}[[record_keys]]\ntables = ['customers']\n"
ID = frame(b"T", description(("id", CUSTOMERS, 1, INT4)))


def changed(rig: Rig, sql: str, *answer: bytes) -> list[tuple[str, bool, int]]:
    """What is on record of the rows of a statement with this answer: (table, changed, keys)."""
    rig.ask(query(sql))
    rig.say(*answer, READY)
    return [(one.table, one.changed, one.count) for one in recorded(rig)]


def test_rows_that_a_change_returns_are_on_record_as_changed_and_shown() -> None:
    rig = rig_of(CHANGES)
    update = "update customers set city = 'Oslo' where id < 9 returning id"
    found = changed(rig, update, ID, data_row(b"3"), data_row(b"4"), command_complete("UPDATE 2"))
    assert found == [(PEOPLE, False, 2), (PEOPLE, True, 2)]
    assert shown(rig) == [3, 4]


def test_change_whose_keys_are_not_returned_says_so_where_it_changed_something() -> None:
    delete = "with gone as (delete from customers where city = 'Oslo') select 1"
    rig = rig_of(CHANGES)
    assert changed(rig, "copy customers from stdin", command_complete("COPY 0")) == []
    rig = rig_of(CHANGES)
    assert changed(rig, delete, VALUE, command_complete("SELECT 1")) == [(PEOPLE, True, 0)]
    assert reasons(rig) == [INSIDE]
    assert changed(rig_of(CHANGES), "truncate customers", command_complete("TRUNCATE TABLE")) == [(PEOPLE, True, 0)]
    assert changed(rig_of(CHANGES), "prepare p as delete from customers", command_complete("PREPARE")) == []
    assert changed(rig_of(CLEAR), delete, VALUE, command_complete("SELECT 1")) == []
    assert changed(rig_of(CHANGES), "delete from orders", command_complete("DELETE 5")) == []


def test_row_that_is_only_read_beside_a_change_is_not_on_record_as_changed() -> None:
    sql = "with gone as (delete from customers where city = 'Oslo') select id from customers"
    found = changed(rig_of(CHANGES), sql, ID, data_row(b"3"), command_complete("SELECT 1"))
    assert found == [(PEOPLE, False, 1), (PEOPLE, True, 0)]


def test_change_that_fails_has_no_rows() -> None:
    rig = rig_of(CHANGES)
    assert changed(rig, "delete from customers where id = 1", failure("23503")) == []


def test_write_whose_rows_are_limited_keeps_what_it_returned() -> None:
    rig = rig_of(CHANGES.replace('allow = ["all"]', 'allow = ["all"]\nmax_affected_rows = 5'))
    asked = rig.ask(query("update customers set city = 'Oslo' returning id"))
    assert kinds(asked) == b"PBDEH"
    rig.say(PARSED, BOUND, ID, data_row(b"3"), command_complete("UPDATE 1"))
    rig.say(CLOSED, READY)
    assert [(one.changed, one.count) for one in recorded(rig)] == [(False, 1), (True, 1)]
    assert rig.outcomes() == [("UPDATE", "ok", 1)]


# --- budgets of people ---

LIMITED = """
[[grant]]
name = "readers"
allow = ["read"]
max_subjects_per_hour = 3
"""


def people(*numbers: int) -> list[bytes]:
    return [row(number) for number in numbers]


def test_people_are_counted_once_however_often_they_are_shown() -> None:
    rig = rig_of(LIMITED)
    for numbers in ((1, 2), (2, 1), (3, 1)):
        rig.ask(query(SELECT))
        said = rig.say(frame(b"T", ID_EMAIL), *people(*numbers), command_complete("SELECT 2"), READY)
        assert kinds(said) == b"TDDCZ"
    assert rig.crowds["max_subjects_per_hour"].count == 3


def test_one_too_many_is_not_delivered_nor_on_record_nor_counted() -> None:
    rig = rig_of(LIMITED)
    rig.ask(query(SELECT))
    assert kinds(rig.say(frame(b"T", ID_EMAIL), *people(1, 2))) == b"TDD"
    assert rig.say(*people(3, 4)) == []
    assert rig.session.wants_cancel
    said = rig.say(failure("57014"), READY)
    assert (kinds(said), field("C", said[0])) == (b"EZ", "53400")
    assert field("M", said[0]) == 'max_subjects_per_hour of grant "readers" is used up'
    rig.session.cancel_sent()
    rig.ask(query(SELECT))
    assert kinds(rig.say(frame(b"T", ID_EMAIL), *people(2, 1), command_complete("SELECT 2"), READY)) == b"TDDCZ"
    assert shown(rig) == [1, 2]


@pytest.mark.parametrize("extent", ["labelled", "off"])
def test_rows_whose_people_are_not_known_are_each_somebody_else(extent: Extent) -> None:
    rig = Rig(LIMITED, accounting=Accounting(DIGESTER, extent))
    columns, sql, cells = ID_EMAIL, SELECT, row(1)
    if extent == "labelled":
        columns = description(("email", CUSTOMERS, 3, VARCHAR))
        sql, cells = "select email from customers", data_row(b"ann@shop.example")
    rig.ask(query(sql))
    assert kinds(rig.say(frame(b"T", columns), cells, cells, command_complete("SELECT 2"), READY)) == b"TDDCZ"
    rig.ask(query(sql))
    assert kinds(rig.say(frame(b"T", columns), cells, cells)) == b"T"
    assert rig.session.wants_cancel


def test_rows_of_nobody_are_free() -> None:
    rig = rig_of(LIMITED)
    rig.ask(query("select id, item from orders"))
    columns = description(("id", ORDERS, 1, INT4), ("item", ORDERS, 4, TEXT))
    rows = [data_row(b"%d" % number, b"x") for number in range(9)]
    assert kinds(rig.say(frame(b"T", columns), *rows, command_complete("SELECT 9"), READY)) == b"T" + b"D" * 9 + b"CZ"
    rig.ask(query("select count(*) from customers"))
    said = rig.say(frame(b"T", description(("count", 0, 0, INT4))), data_row(b"9"), command_complete("SELECT 1"), READY)
    assert kinds(said) == b"TDCZ"
    assert rig.crowds["max_subjects_per_hour"].count == 0


def test_people_in_a_copy_count_by_their_keys_and_its_line_of_names_is_nobody() -> None:
    rig = rig_of(LIMITED)
    rig.ask(query("copy customers (id, email) to stdout (format csv, header)"))
    head = frame(b"H", b"\0\0\2\0\0\0\0")
    assert kinds(rig.say(head, *(frame(b"d", line) for line in (b"id,email\n", b"1,a\n", b"2,b\n", b"3,c\n")))) == b"Hdddd"
    assert rig.say(frame(b"d", b"4,d\n"), frame(b"c"), command_complete("COPY 4"), READY)[-1] == READY
    assert rig.crowds["max_subjects_per_hour"].count == 3


def test_a_change_is_told_whole_and_then_nothing_more() -> None:
    rig = rig_of(LIMITED.replace('["read"]', '["read", "write"]'))
    rig.ask(query("update customers set city = 'Oslo' returning id, email"))
    said = rig.say(frame(b"T", ID_EMAIL), *people(1, 2, 3, 4), command_complete("UPDATE 4"), READY)
    assert kinds(said) == b"TDDDDCZ"
    rig.ask(query("select 1"))
    assert rig.to_server.endswith(query("sluice_refused"))
    rig.say(failure("42601"), READY)
    rig.ask(query("rollback"))
    assert rig.to_server.endswith(query("rollback"))


def test_a_long_row_that_goes_out_as_it_comes_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_out, "MASKED_FRAME_BYTES_MAX", 70_000)
    policy = LIMITED.replace("[[grant]]", '[[grant]]\nunmask = ["*"]', 1)
    rig = Rig(policy, accounting=Accounting(DIGESTER), frame_bytes_max=1 << 20)
    rig.ask(query(SELECT))
    rig.say(frame(b"T", ID_EMAIL))
    long = data_row(b"7", b"x" * 80_000)
    rig.say(long[:1000])
    rig.say(long[1000:], command_complete("SELECT 1"), READY)
    assert rig.crowds["max_subjects_per_hour"].count == 1
