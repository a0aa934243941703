"""One row looked for in a chain: found with whoever was shown it, missed by nobody, and what is not known is counted."""

from gateway.audit.chain import Chain
from gateway.audit.defined import ColumnsCard, RulingCard, SessionCard
from gateway.audit.disclosed import NO_KEY, Sought, Tally, names, to_json
from gateway.audit.query import Entry
from gateway.audit.records import ColumnsInfo, GrantInfo, RulingInfo, SessionInfo
from gateway.audit.segment import SegmentReader
from gateway.masking.key_cells import Keys
from gateway.masking.key_sets import Digester, Probe, not_known, sets

T = 1_700_000_000_000_000_000
DIGESTER = Digester(b"k" * 32)
TABLE = "public.customers"


class Trail:
    """One chain in memory."""

    def __init__(self) -> None:
        self.chain = Chain("db1", 0, bytes(16), now_ns=T)
        self.segments = [self.chain.header]
        self.now = T

    def statement(self, user: str, *numbers: int, table: str = TABLE, changed: bool = False, end: bool = True) -> int:
        self.now += 10**9
        who = SessionCard(SessionInfo("s-" + user, user, database="shop"))
        info = RulingInfo(1, "h", "SELECT $1::integer", "ff", ("SELECT",), (TABLE,), (f"{TABLE}.id", f"{TABLE}.email"))
        intent = self.chain.intent(self.now, who, RulingCard(info))
        if numbers:
            keys = Keys([0], [0], "i")
            for number in numbers:
                keys.add(str(number).encode())
            for count, packed in sets(DIGESTER.digests(keys), "i"):
                self.chain.rows(self.now, intent, table, changed, count, packed)
        if end:
            self.outcome(intent, 3)
        return intent

    def outcome(self, intent: int, rows: int) -> None:
        shown = ColumnsCard(ColumnsInfo(((f"{TABLE}.email", "email", "redact"),), (f"{TABLE}.name",)))
        self.chain.outcome(self.now + 1, intent, "ok", rows, 9, shown, "SELECT", "", 5)

    def rotate(self) -> None:
        self.segments[-1] += self.chain.take(self.now, "segment")
        self.chain.committed()
        self.chain.next_segment(self.now)
        self.segments.append(self.chain.header)

    def search(self, sought: Sought) -> list[Entry]:
        self.segments[-1] += self.chain.take(self.now)
        self.chain.committed()
        found: list[Entry] = []
        for data in self.segments:
            reader = SegmentReader()
            frames = reader.feed(data)
            assert reader.header is not None
            sought.begin(reader.header)
            found += [entry for entry in map(sought.read, frames) if entry is not None]
        return found + sought.unfinished()


def users(entries: list[Entry]) -> list[str]:
    return [entry.session.user for entry in entries if entry.session is not None]


def sought(key: str = "4711", table: str = "customers", tally: Tally | None = None, **options: bool | int) -> Sought:
    return Sought(Probe(DIGESTER, (key,)), table, tally or Tally(), **options)  # type: ignore[arg-type]


def test_all_who_were_shown_the_row_are_found_and_nobody_else() -> None:
    trail = Trail()
    trail.statement("ann", 4711)
    trail.statement("bob", 4712)
    trail.statement("cy", *range(4000, 5000))
    trail.statement("di", 4711, table="public.orders")
    tally = Tally()
    assert users(trail.search(sought(tally=tally))) == ["ann", "cy"]
    assert tally.sets == 3
    assert 0 < tally.expected_false < 1e-6


def test_row_shown_before_a_rotation_is_found_with_the_outcome_behind_it() -> None:
    trail = Trail()
    intent = trail.statement("ann", 4711, end=False)
    trail.rotate()
    trail.outcome(intent, 1)
    (found,) = trail.search(sought())
    assert found.outcome is not None
    assert found.disclosed == {(TABLE, False): 1}


def test_statement_whose_worker_died_is_found_without_an_outcome() -> None:
    trail = Trail()
    trail.statement("ann", 4711, end=False)
    trail.statement("bob", 4712, end=False)
    (found,) = trail.search(sought())
    assert found.kind == "intent"
    assert to_json(found)["status"] == "unresolved"


def test_rows_changed_are_another_question_than_rows_shown() -> None:
    trail = Trail()
    trail.statement("ann", 4711)
    trail.statement("bob", 4711, changed=True)
    assert users(trail.search(sought())) == ["ann"]
    assert users(trail.search(sought(changed=True))) == ["bob"]


def test_times_bound_the_answer() -> None:
    trail = Trail()
    for user in ("ann", "bob", "cy"):
        trail.statement(user, 4711)
    assert users(trail.search(sought(since=T + 2 * 10**9, until=T + 3 * 10**9))) == ["bob"]


def test_statements_whose_keys_are_not_on_record_are_counted_by_why() -> None:
    trail = Trail()
    trail.statement("ann")
    intent = trail.statement("bob", end=False)
    trail.chain.rows(trail.now, intent, TABLE, False, 0, not_known("a reason"))
    trail.outcome(intent, 3)
    intent = trail.statement("cy", end=False)
    trail.outcome(intent, 0)
    tally = Tally()
    assert trail.search(sought(tally=tally)) == []
    assert tally.unread == {NO_KEY: 1, "a reason": 1}


def test_disclosure_says_who_saw_which_columns_and_how() -> None:
    trail = Trail()
    trail.statement("ann", 4711)
    (found,) = trail.search(sought())
    said = to_json(found)
    assert said["user"] == "ann"
    assert said["database"] == "shop"
    assert said["statement"] == "SELECT $1::integer"
    assert said["masked"] == [{"column": f"{TABLE}.email", "label": "email", "mask": "redact"}]
    assert said["clear"] == [f"{TABLE}.name"]
    assert said["other"] == [f"{TABLE}.id"]
    assert said["intent"] == "db1-0.00000000-3"
    assert said["grant"] is None


def test_table_is_meant_by_its_whole_name_or_without_its_schema() -> None:
    assert names(TABLE, "customers")
    assert names(TABLE, TABLE)
    assert not names(TABLE, "omers")
    assert not names("public.old_customers", "customers")


def test_grant_is_named() -> None:
    trail = Trail()
    who = SessionCard(SessionInfo("s", "ann"))
    intent = trail.chain.intent(T, who, RulingCard(RulingInfo(1, "h", "S", "f", ("SELECT",), grant=GrantInfo("reads"))))
    keys = Keys([0], [0], "i")
    keys.add(b"4711")
    ((count, packed),) = sets(DIGESTER.digests(keys), "i")
    trail.chain.rows(T, intent, TABLE, False, count, packed)
    assert to_json(trail.search(sought())[0])["grant"] == "reads"


def test_what_failed_changed_nothing_and_was_shown_all_the_same() -> None:
    trail = Trail()
    for user, changed in (("ann", True), ("bob", False)):
        intent = trail.statement(user, 4711, changed=changed, end=False)
        trail.chain.outcome(trail.now, intent, "refused", 1, 9, None, "", "42501", 5)
    assert users(trail.search(sought(changed=True))) == []
    assert users(trail.search(sought())) == ["bob"]
