"""The canned questions, from records as they pass."""

from gateway.audit.query import Entry
from gateway.audit.questions import Grounds, InForce, Movement, Touched
from gateway.audit.records import ColumnsInfo, GrantInfo, Outcome, RulingInfo, SessionInfo, Status

T = 1_700_000_000_000_000_000
ALICE = SessionInfo("s1", "alice", "idp", ("a",), ("agent-7",), database="prod", environment="production", model="m-1")
BOB = SessionInfo("s2", "bob", environment="production")
GRANT = GrantInfo("readers", "dba", "T-1")
LABELS = (("public.c.e", "email"), ("public.c.n", "name"))
READ = RulingInfo(
    4, "abc", "SELECT", "ff", ("SELECT",), ("public.c",), ("public.c.e", "public.c.city"), grant=GRANT, labels=LABELS
)
WRITE = RulingInfo(
    5, "def", "UPDATE", "fe", ("UPDATE",), ("public.c", "public.d"), (), ("public.d.x",), rules=("r1",), decision="warn"
)
DROP = RulingInfo(5, "def", "DROP", "fd", ("DROP TABLE",), ("public.c",), decision="deny", rules=("no drops",))


def intent(seq: int, who: SessionInfo, what: RulingInfo, approval: str = "") -> Entry:
    return Entry("db-1-0.ab", seq, T + seq, "intent", who, what, approval=approval)


def outcome(
    seq: int, of: Entry, status: Status = "ok", rows: int = 3, columns: ColumnsInfo | None = None, affected: object = None
) -> Entry:
    said = Outcome(of.seq, status, rows, 100, 0, "", "", 5, affected)  # type: ignore[arg-type]
    return Entry(of.label, seq, T + seq, "outcome", of.session, of.ruling, intent=of.id, outcome=said, columns=columns)


def trail() -> list[Entry]:
    read, write, drop = intent(1, ALICE, READ), intent(3, BOB, WRITE, "A-1"), intent(5, ALICE, DROP)
    shown = ColumnsInfo((("public.c.n", "name", "redact"),), ("public.c.e", "public.c.id"))
    return [
        read,
        outcome(2, read, columns=shown),
        write,
        outcome(4, write, rows=7),
        drop,
        outcome(6, drop, "refused", 0),
        intent(7, BOB, READ),
    ]


def test_who_touched_is_told_for_each_user_and_chain_of_agents() -> None:
    touched = Touched()
    for entry in [*trail(), Entry("db-1-0.ab", 9, T + 9, "system")]:
        touched.add(entry)
    bob, alice = (each.to_json() for each in touched.found())
    assert {name: bob[name] for name in ("user", "actor", "write", "rows_changed", "rows_out", "running")} == {
        "user": "bob",
        "actor": [],
        "write": 1,
        "rows_changed": 7,
        "rows_out": 0,
        "running": 1,
    }
    assert bob["tables"] == ["public.c", "public.d"]
    assert {name: alice[name] for name in ("statements", "read", "ddl", "refused", "rows_out", "bytes_out", "models")} == {
        "statements": 1,
        "read": 1,
        "ddl": 0,
        "refused": 1,
        "rows_out": 3,
        "bytes_out": 100,
        "models": ["m-1"],
    }
    assert alice["actor"] == ["agent-7"]
    assert alice["tables"] == ["public.c"]
    assert alice["grants"] == ["readers"]
    assert (alice["first"], alice["last"]) == ("2023-11-14T22:13:20.000000Z", "2023-11-14T22:13:20.000000Z")


def test_failures_and_unresolved_ones_may_have_run() -> None:
    touched = Touched()
    for seq, status in enumerate(("error", "unresolved", "not-run"), 1):
        touched.add(outcome(seq * 2, intent(seq, BOB, WRITE), status))  # type: ignore[arg-type]
    (bob,) = touched.found()
    assert (bob.failed, bob.unresolved, bob.not_run, bob.statements["write"], bob.rows_changed) == (2, 1, 1, 2, 0)


def test_what_moved_is_told_by_column_and_by_table() -> None:
    movement = Movement()
    for entry in trail():
        movement.add(entry)
    found = {each.column: each.to_json() for each in movement.columns()}
    assert found["e"] == {
        "table": "public.c",
        "column": "e",
        "labels": ["email"],
        "masks": [],
        "rows_masked": 0,
        "rows_clear": 3,
        "rows_unlabelled": 0,
        "rows": 3,
        "bytes": 100,
        "statements": 1,
    }
    assert (found["n"]["rows_masked"], found["n"]["masks"], found["n"]["labels"]) == (3, ["redact"], ["name"])
    assert (found["city"]["rows_unlabelled"], found["city"]["rows_clear"]) == (3, 0)
    assert [each.to_json() for each in movement.tables()] == [
        {"table": "public.c", "rows": 3, "bytes": 100, "statements": 1}
    ]
    assert movement.into == {"public.d": 7}
    assert (movement.statements, movement.rows, movement.nbytes) == (2, 3, 100)


def test_a_column_may_be_masked_for_several_labels_and_clear_elsewhere() -> None:
    movement = Movement()
    shown = ColumnsInfo((("public.c.n", "name", "scan"), ("public.c.n", "email", "scan")), ("public.c.n",))
    movement.add(outcome(2, intent(1, BOB, READ), columns=shown))
    movement.add(outcome(4, intent(3, BOB, READ), rows=0))
    found = {each.column: each for each in movement.columns()}
    n = found["n"]
    assert (n.masked_rows, n.clear_rows, n.statements, n.labels, n.masks) == (3, 3, 1, {"name", "email"}, {"scan"})


def test_tables_that_the_server_did_not_tell_of_are_named() -> None:
    movement = Movement()
    movement.add(outcome(2, intent(1, BOB, WRITE), affected=(("t", 3), ("u", -1))))
    movement.add(outcome(4, intent(3, BOB, WRITE), affected=(("t", -1), ("u", -1))))
    movement.add(outcome(6, intent(5, BOB, WRITE), affected=(("t", 2),)))
    assert movement.into == {"t": 5, "u": -1}


def test_grounds_are_grants_policies_approvals_and_rules() -> None:
    grounds = Grounds()
    for entry in trail():
        if entry.session is BOB:
            grounds.add(entry)
    assert grounds.who is BOB
    assert grounds.host == "db-1"
    assert grounds.grants == {("readers", "dba", "T-1"): 1}
    assert grounds.policies == {(5, "def"): T + 3, (4, "abc"): T + 7}
    assert grounds.approvals == {"A-1": ["db-1-0.ab-3"]}
    assert grounds.rules == {"r1": 1}
    assert (grounds.first_ns, grounds.last_ns, grounds.refused) == (T + 3, T + 7, 0)


def test_a_policy_is_in_force_since_it_last_replaced_another() -> None:
    force = InForce("db-1")
    for at, host, digest in (
        (1, "db-1", "abc"),
        (2, "db-2", "abc"),
        (3, "db-1", "def"),
        (5, "db-1", "abc"),
        (6, "db-1", "abc"),
        (9, "db-1", "def"),
    ):
        force.add(Entry(f"{host}-0.ab", at, T + at, "system", data={"what": "policy in force", "policy": digest}))
    force.add(Entry("db-1-0.ab", 10, T + 10, "system", data={"what": "audit recovered"}))
    assert force.since("abc", T + 8) == T + 5
    assert force.since("abc", T + 2) == T + 1
    assert force.since("def", T + 20) == T + 9
    assert force.since("xyz", T + 20) == force.since("abc", T) == 0
