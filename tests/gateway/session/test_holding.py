"""A statement that waits for people, frame by frame: nothing leaves meanwhile, and what runs is what was approved."""

import pytest

from gateway.errors import Refused
from gateway.session import holding
from gateway.session.holding import Held
from parser.messages import bind, command_complete, describe, execute, parse, query
from tests.gateway.session.rig import (
    BOUND,
    FLUSH,
    IN_TRANSACTION,
    NO_DATA,
    PARSED,
    READY,
    SYNC,
    WRITE,
    Rig,
    failure,
    field,
    frame,
    kinds,
)

HOLDS = WRITE + """
[[guardrail]]
name = "late orders"
effect = "hold"
statements = ["UPDATE"]
tables = ["orders"]
message = "Ask the shop."
[[approval]]
name = "shop"
approvers = { groups = ["shop"] }
wait_seconds = 60
"""
UPDATE = "update orders set total = 7 where id = 1"
UPDATED = command_complete("UPDATE 1")
BY_PARAMETER = "update orders set total = $1 where id = 1"
DENIED = Refused("42501", "denied by bo: not today", "Ask tomorrow.")


def waiting(rig: Rig) -> Held:
    held = rig.session.wanted
    assert isinstance(held, Held)
    return held


def decide(rig: Rig, refused: Refused | None = None, name: str = "h-1") -> list[bytes]:
    """What goes to the server once people have decided."""
    held = waiting(rig)
    held.id = name
    holding.answered(rig.session, held, refused)
    return rig.ask(b"")


def error(rig: Rig, *more: bytes) -> tuple[str, str]:
    """SQLSTATE and words of the refusal that the client reads."""
    said = rig.say(*more, failure("42601"), READY)
    (report,) = [one for one in said if one[:1] == b"E"]
    return field("C", report), field("M", report)


@pytest.fixture
def rig() -> Rig:
    return Rig(HOLDS)


def test_a_query_waits_and_then_runs_as_it_was_under_its_approval(rig: Rig) -> None:
    assert rig.ask(query(UPDATE)) == []
    held = waiting(rig)
    assert (held.hold.rules, held.sql, held.in_transaction) == (("late orders",), UPDATE.encode(), False)
    assert [one.name for one in held.hold.approvals] == ["shop"]
    assert held.until == rig.now + 60 * 10**9
    assert rig.intents() == 0
    assert rig.ask(query("select 1")) == [], "what comes behind it waits too"
    assert decide(rig) == [query(UPDATE), query("select 1")]
    assert [entry.approval for entry in rig.entries() if entry.kind == "intent"] == ["h-1", ""]


def test_an_approval_is_for_one_execution(rig: Rig) -> None:
    rig.ask(query(UPDATE))
    decide(rig)
    rig.say(UPDATED, READY)
    assert rig.ask(query(UPDATE)) == []
    assert isinstance(rig.session.wanted, Held)


def test_what_was_approved_and_must_wait_for_another_answer_is_not_held_again() -> None:
    rig = Rig(HOLDS.replace('allow = ["read", "write"]', 'allow = ["read", "write"]\nmax_affected_rows = 5'))
    rig.ask(query(UPDATE))
    held = waiting(rig)
    rig.ask(query("select 1"))
    rig.session.queue.append(rig.session.ask(7))  # as if something were still outstanding
    rig.session.queue.pop()
    holding.answered(rig.session, held, None)
    assert kinds(rig.ask(b"")) == b"H", "it waits for that answer alone"
    assert rig.session.wanted is None
    rig.session.queue.clear()
    sent = rig.ask(b"")
    assert kinds(sent)[:4] == b"PBDE"
    assert rig.intents() == 1


def test_an_approval_that_was_not_used_in_time_is_worth_nothing(rig: Rig) -> None:
    rig.ask(query(UPDATE))
    held = waiting(rig)
    rig.now = held.until + 1
    holding.answered(rig.session, held, None)
    assert rig.ask(b"") == []
    assert waiting(rig) is not held


def test_a_denied_query_is_refused_with_the_words_of_who_decided(rig: Rig) -> None:
    rig.ask(query(UPDATE))
    assert decide(rig, DENIED) == [query("sluice_refused")]
    assert error(rig) == ("42501", "denied by bo: not today")
    assert rig.outcomes() == [("UPDATE", "refused", 0)]
    rig.ask(query("select 1"))
    assert rig.session.wanted is None


@pytest.mark.parametrize("named", ["", "s"])
def test_a_pipeline_waits_as_a_whole_with_its_parameters(rig: Rig, named: str) -> None:
    sent = [parse(named, BY_PARAMETER), bind("", named, (b"8",)), describe("P", ""), execute(""), SYNC]
    for piece in sent[:-2]:
        assert rig.ask(piece) == []
        assert rig.session.wanted is None, "the Execute may still come"
    assert rig.ask(*sent[-2:]) == []
    held = waiting(rig)
    assert held.sql == BY_PARAMETER.encode()
    assert held.values is not None
    assert b"8" in held.values
    assert not held.in_transaction
    assert kinds(decide(rig)) == b"PBDES"
    rig.say(PARSED, BOUND, NO_DATA, UPDATED, READY)
    assert rig.outcomes() == [("UPDATE", "ok", 1)]


def test_a_pipeline_that_is_denied_is_refused_at_its_first_message(rig: Rig) -> None:
    rig.ask(parse("", BY_PARAMETER), bind("", "", (b"8",)), execute(""), SYNC)
    sent = decide(rig, DENIED)
    assert BY_PARAMETER.encode() not in b"".join(sent)
    assert error(rig) == ("42501", "denied by bo: not today")


def test_a_statement_prepared_before_waits_from_its_bind_on(rig: Rig) -> None:
    assert kinds(rig.ask(parse("s", BY_PARAMETER), describe("S", "s"), SYNC)) == b"PDS"
    rig.say(PARSED, frame(b"t", b"\0\1\0\0\0\x17"), NO_DATA, READY)
    assert rig.ask(bind("", "s", (b"8",)), execute(""), SYNC) == []
    assert not waiting(rig).in_transaction
    assert kinds(decide(rig)) == b"BDES"
    rig.say(BOUND, NO_DATA, UPDATED, READY)
    assert rig.ask(bind("", "s", (b"9",)), execute(""), SYNC) == [], "another value is another statement"
    assert b"9" in (waiting(rig).values or b"")


def test_a_client_that_wants_an_answer_before_the_execute_gets_it(rig: Rig) -> None:
    assert kinds(rig.ask(parse("", BY_PARAMETER), bind("", "", (b"8",)), FLUSH)) == b"PBH"
    rig.say(PARSED, BOUND)
    assert rig.ask(execute(""), SYNC) == []
    assert waiting(rig).in_transaction, "the server has begun one for it"
    assert kinds(decide(rig))[-2:] == b"ES"


@pytest.mark.parametrize("beyond", [0, 1])
def test_nobody_is_asked_about_more_than_he_is_shown(beyond: int) -> None:
    rig, other = (Rig(HOLDS, frame_bytes_max=1 << 22) for _ in range(2))
    most = holding.TEXT_BYTES_MAX - len(UPDATE) - 4 + beyond
    sent = rig.ask(query(f"{UPDATE}/*{'x' * most}*/"))
    if beyond:
        assert sent == [query("sluice_refused")]
        assert error(rig)[0] == "42501"
        assert rig.session.wanted is None
    else:
        assert len(waiting(rig).sql) == holding.TEXT_BYTES_MAX
    values = "y" * (holding.VALUES_BYTES_MAX - 60 + beyond * 100)
    other.ask(parse("", BY_PARAMETER), bind("", "", [values.encode()]), execute(""), SYNC)
    assert (other.session.wanted is None) is bool(beyond)


def test_nobody_is_asked_about_what_a_budget_would_refuse_then() -> None:
    rig = Rig(HOLDS.replace('allow = ["read", "write"]', 'allow = ["read", "write"]\nmax_statements_per_minute = 2'))
    rig.ask(query(UPDATE))
    decide(rig)
    rig.say(UPDATED, READY)
    rig.ask(query("select 1"))
    rig.say(command_complete("SELECT 1"), READY)
    assert rig.ask(query(UPDATE)) == [query("sluice_refused")]
    assert rig.session.wanted is None
    assert error(rig) == ("53400", 'max_statements_per_minute of grant "writers" is used up')
    assert rig.session.asked is None


def test_in_a_transaction_it_says_so_or_is_refused() -> None:
    for policy, refused in ((HOLDS, False), (HOLDS + 'in_transaction = "refuse"\n', True)):
        rig = Rig(policy)
        rig.ask(query("begin"))
        rig.say(command_complete("BEGIN"), IN_TRANSACTION)
        sent = rig.ask(query(UPDATE))
        if refused:
            assert sent == [query("sluice_refused")]
            assert "may not wait for an approval while its transaction keeps locks" in error(rig)[1]
        else:
            assert waiting(rig).in_transaction


@pytest.mark.parametrize(
    "change",
    ["set search_path to other", "policy", "person"],
)
def test_what_is_no_longer_the_same_is_held_again(rig: Rig, change: str) -> None:
    rig.ask(query(UPDATE))
    first = waiting(rig)
    if change == "policy":
        rig.policy += '[[mask]]\nlabels = ["card"]\nwith = "null"\n'
        rig.session.scope.stale = True
    elif change == "person":
        rig.session.card.info = rig.session.card.info.__class__("s1", "bob", role="app")
    else:
        rig.session.search_path = ("other",)
    holding.answered(rig.session, first, None)
    assert rig.ask(b"") == []
    assert waiting(rig) is not first


def test_several_statements_of_one_text_wait_together(rig: Rig) -> None:
    text = f"select 1; {UPDATE}; select 2"
    assert rig.ask(query(text)) == []
    assert decide(rig) == [query(text)]


def test_a_denial_beats_a_hold(rig: Rig) -> None:
    denied = Rig(HOLDS + '[[guardrail]]\nname = "no two"\neffect = "deny"\nfunctions = ["pg_sleep"]\n')
    assert denied.ask(query(f"{UPDATE}; select pg_sleep(1)")) == [query("sluice_refused")]
    assert denied.session.wanted is None


def test_without_an_approval_rule_a_hold_is_a_refusal() -> None:
    rig = Rig(HOLDS.partition("[[approval]]")[0])
    assert rig.ask(query(UPDATE)) == [query("sluice_refused")]
    assert "nobody can give here" in error(rig)[1]


def test_what_runs_by_name_waits_with_what_it_runs(rig: Rig) -> None:
    rig.ask(query(f"prepare p as {UPDATE}"))
    rig.say(command_complete("PREPARE"), READY)
    assert rig.ask(query("execute p")) == []
    assert decide(rig) == [query("execute p")]


def test_the_client_is_told_what_waits_for_whom_and_how_long(rig: Rig) -> None:
    rig.ask(query(UPDATE))
    held = waiting(rig)
    held.id = "h-7"
    holding.tell(rig.session, held, "shop")
    (notice,) = rig._moved()[1]
    words = field("M", notice)
    assert words == 'held by guardrail "late orders": Ask the shop; it waits for shop, at most 60 s (request h-7)'
    assert field("S", notice) == "NOTICE"
    rig.session.now += 20 * 10**9
    holding.remind(rig.session, held)
    (notice,) = rig._moved()[1]
    assert field("M", notice) == "request h-7 is still waiting, 40 s more at most"


def test_a_function_call_cannot_wait(rig: Rig) -> None:
    holds = Rig(HOLDS.replace('statements = ["UPDATE"]\ntables = ["orders"]', 'statements = ["*"]').replace(
        '"read", "write"', '"all"'))
    sent = holds.ask(frame(b"F", b"\0\0\0\x64\0\0\0\0\0\0"))
    assert sent == [query("sluice_refused")]
    assert holds.session.wanted is None


def test_a_bind_to_what_sql_has_prepared_waits_as_any_other(rig: Rig) -> None:
    rig.ask(query(f"prepare by_name as {UPDATE}"))
    rig.say(command_complete("PREPARE"), READY)
    assert rig.ask(bind("", "by_name"), execute(""), SYNC) == []
    assert waiting(rig).hold.rules == ("late orders",)
    assert kinds(decide(rig)) == b"BDES"
