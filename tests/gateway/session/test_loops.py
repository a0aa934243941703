"""What goes round in circles is slowed, refused or stopped after so many steps, and nothing else is."""

import pytest

from gateway.session import loops as module
from gateway.session.loops import Trail, Trails
from parser.messages import bind, command_complete, execute, parse, query
from parser.statements import read
from tests.gateway.session.rig import BOUND, PARSED, READ, READY, SYNC, VALUE, Rig, failure, field

DONE = command_complete("SELECT 0")
REFUSED = query("sluice_refused")


def looping(loop: str, effect: str = "deny", more: str = "", grant: str = READ) -> Rig:
    return Rig(f'{grant}\n[[guardrail]]\nname = "no circles"\nloop = "{loop}"\neffect = "{effect}"\n{more}\n')


def passes(rig: Rig, sql: str) -> bool:
    """Whether a query goes to the server as it is; it is answered."""
    sent = rig.ask(query(sql))
    if sent == [query(sql)]:
        rig.say(VALUE, DONE, READY)
        return True
    assert sent == [REFUSED]
    return False


def told(rig: Rig) -> bytes:
    """The error of what was refused."""
    (error, _) = rig.say(failure("42601"), READY)
    return error


# --- the same refused statement ---


def test_the_third_same_refusal_names_the_loop_and_the_reason() -> None:
    rig = looping("denied")
    for city in ("Oslo", "Lima"):  # the same but for its values
        assert not passes(rig, f"delete from orders where item = '{city}'")
        assert "no grant here allows write" in field("M", told(rig))
    assert not passes(rig, "delete from orders where item = 'Rome'")
    error = told(rig)
    assert field("C", error) == "42501"
    circles = 'denied by guardrail "no circles": the same refused statement 3 times; it was denied by'
    assert field("M", error).startswith(circles)
    assert "no grant here allows write" in field("M", error)
    assert field("H", error).startswith("Read the refusal's hint and change the statement: ")
    assert passes(rig, "select 1")
    assert not passes(rig, "update orders set item = 'x'"), "another one begins anew"
    assert "circles" not in field("M", told(rig))


def test_refusals_at_parse_count_as_well() -> None:
    rig = looping("denied", more="after = 2")
    for circles in (False, True):
        rig.ask(parse("", "delete from orders"), bind("", ""), execute(""), SYNC)
        error, _ = rig.say(failure("42601"), READY)
        assert ("circles" in field("M", error)) is circles


def test_a_budget_that_is_used_up_is_a_refusal_too() -> None:
    rig = looping("denied", grant=READ + "max_statements_per_minute = 1\n")
    assert passes(rig, "select 1")
    for circles in (False, False, True):
        assert not passes(rig, "select 1")
        assert ("circles" in field("M", told(rig))) is circles


def test_what_is_long_ago_does_not_count() -> None:
    rig = looping("denied", more="window_seconds = 60")
    for _ in range(5):
        assert not passes(rig, "delete from orders")
        assert "circles" not in field("M", told(rig))
        rig.now += 31 * 10**9


# --- pages and keys ---


def test_ever_new_offsets_of_one_shape_are_a_crawl() -> None:
    rig = looping("offset", more="after = 4")
    for page in (0, 10, 20, 20, 0):
        assert passes(rig, f"select id from orders order by id limit 10 offset {page}")
    for page in (30, 40):
        assert not passes(rig, f"select id from orders order by id limit 10 offset {page}")
        error = told(rig)
        assert field("M", error) == 'denied by guardrail "no circles": one statement with 4 different OFFSETs'
        assert field("H", error) == "Ask once with the condition that you need."
    assert passes(rig, "select id from orders order by id limit 10 offset 20"), "a page that it has seen"
    for number in range(20):
        assert passes(rig, f"select id from orders where total = {number} order by id limit 10 offset 10")


def test_offsets_that_are_parameters_are_pages_too() -> None:
    rig = looping("offset", more="after = 3")
    text = "select id from orders where item = $1 and total in (1, 2) order by id limit 5 offset $2"
    rig.ask(parse("p", text), SYNC)
    rig.say(PARSED, READY)
    for number, (item, page, passing) in enumerate(
        [(b"a", b"0", True), (b"b", b"0", True), (b"c", b"0", True), (b"a", b"5", True), (b"a", b"9", False)]
    ):
        asked = rig.ask(bind("", "p", [item, page]), execute(""), SYNC)
        assert (asked[-2] == execute("")) is passing, number
        rig.say(BOUND, DONE if passing else failure("42601"), READY)


@pytest.mark.parametrize(
    ("sql", "parameters", "place"),
    [
        ("select a from t order by a limit 10 offset 30", 0, 1),
        ("select a from t where b = 5 offset (20) rows fetch next 5 rows only", 0, 1),
        ("select a from t where b in (1, 2, 3) offset 7", 0, 3),
        ("SELECT a FROM t WHERE b = $1 AND c = 'x' OFFSET $2 LIMIT 3", 2, 3),
        ("select a from t where b = 1", 0, -1),
        ("select a from t where b = 'offset $1'", 0, -1),
    ],
)
def test_the_digest_of_the_offset_is_found(sql: str, parameters: int, place: int) -> None:
    (facts,) = read(sql.encode())
    assert module._offset(facts, facts.literal_count + parameters) == place


def test_ever_new_values_of_one_shape_are_a_crawl() -> None:
    rig = looping("keys", more="after = 5")
    for key in (1, 2, 3, 4, 4, 1):
        assert passes(rig, f"select item from orders where id = {key}")
    assert not passes(rig, "select item from orders where id = 5")
    assert field("M", told(rig)) == 'denied by guardrail "no circles": one statement with 5 different values'
    assert passes(rig, "select item from orders where id = 2")
    for _ in range(9):
        assert passes(rig, "select count(*) from orders"), "it has no value"
    assert passes(rig, "select total from orders where id = 5"), "another shape"


def test_values_in_parameters_are_keys_too() -> None:
    rig = looping("keys", more="after = 3")
    rig.ask(parse("p", "select item from orders where id = $1"), SYNC)
    rig.say(PARSED, READY)
    for key, passing in ((b"1", True), (b"2", True), (b"2", True), (b"3", False)):
        asked = rig.ask(bind("", "p", [key]), execute(""), SYNC)
        assert (asked[-2] == execute("")) is passing
        rig.say(BOUND, DONE if passing else failure("42601"), READY)


def test_a_rule_counts_what_meets_its_other_conditions() -> None:
    rig = looping("keys", more='after = 2\ntables = ["customers"]')
    for key in range(5):
        assert passes(rig, f"select item from orders where id = {key}")
    assert passes(rig, "select city from customers where id = 1")
    assert not passes(rig, "select city from customers where id = 2")


# --- effects ---


def test_slow_waits_longer_each_time_and_says_so() -> None:
    rig = looping("keys", "slow", "after = 3")
    for key in (1, 2):
        assert passes(rig, f"select item from orders where id = {key}")
    for key, seconds in ((3, 0.5), (4, 1), (5, 2), (6, 4), (7, 8), (8, 16), (9, 30), (10, 30)):
        sql = query(f"select item from orders where id = {key}")
        rig.to_client = b""
        assert rig.ask(sql) == []
        assert field("M", rig.to_client) == (
            f'slowed by guardrail "no circles": one statement with {key} different values; this one waits for {seconds:g} '
            "seconds. Ask once with the condition that you need."
        )
        wanted = rig.session.wanted
        assert wanted is not None
        assert wanted.pause_seconds == seconds
        assert rig.again() == []
        rig.session.estimated(wanted, 0)
        assert rig.session.estimate is None, "the planner has said nothing"
        assert rig.again() == [sql]
        rig.say(VALUE, DONE, READY)


def test_what_was_slowed_is_refused_as_it_would_have_been() -> None:
    rig = looping("denied", "slow", "after = 2")
    assert not passes(rig, "delete from orders")
    told(rig)
    for parsed in (False, True):
        asked = (parse("", "delete from orders"), SYNC) if parsed else (query("delete from orders"),)
        assert rig.ask(*asked) == []
        wanted = rig.session.wanted
        assert wanted is not None
        rig.session.estimated(wanted, 0)
        assert rig.again() != []
        error, _ = rig.say(failure("42601"), READY)
        assert "no grant here allows write" in field("M", error)
        assert "circles" not in field("M", error)
    assert rig.intents() == 3, "each is on record once"


def test_a_pause_belongs_to_one_statement() -> None:
    rig = looping("keys", "slow", "after = 2")
    assert passes(rig, "select item from orders where id = 1")
    one, other = (query(f"select item from orders where id = {key}") for key in (2, 3))
    assert rig.ask(one, other) == []
    wanted = rig.session.wanted
    assert wanted is not None
    rig.session.estimated(wanted, 0)
    assert rig.again() == [one]
    assert rig.session.wanted is not None
    assert rig.session.wanted is not wanted


def test_hold_is_a_refusal_that_an_approval_could_release() -> None:
    rig = looping("denied", "hold", 'after = 2\nmessage = "Ask a person."')
    for _ in range(2):
        assert not passes(rig, "delete from orders")
        error = told(rig)
    assert field("M", error).startswith('held by guardrail "no circles": the same refused statement 2 times (Ask a person.)')
    assert "needs an approval" in field("M", error)


def test_stop_ends_the_session_in_the_rules_name() -> None:
    rig = looping("denied", "stop", "after = 2")
    assert not passes(rig, "delete from orders")
    told(rig)
    rig.to_client = b""
    rig.ask(query("delete from orders"))
    assert [field(letter, rig.to_client) for letter in "SC"] == ["FATAL", "57P01"]
    assert field("M", rig.to_client).startswith('stopped by guardrail "no circles": the same refused statement 2 times')
    assert rig.stopped == ["no circles"]
    assert rig.session.ending
    assert rig.intents() == 2


def test_of_several_rules_the_strictest_acts() -> None:
    rig = Rig(
        READ
        + "".join(
            f'\n[[guardrail]]\nname = "{name}"\nloop = "keys"\nafter = 2\neffect = "{effect}"\n'
            for name, effect in (("a", "slow"), ("b", "deny"), ("c", "hold"))
        )
    )
    assert passes(rig, "select item from orders where id = 1")
    assert not passes(rig, "select item from orders where id = 2")
    assert 'denied by guardrail "b"' in field("M", told(rig))


def test_without_such_a_rule_statements_are_plain() -> None:
    plain, watched = Rig(READ), looping("keys")
    for rig, expected in ((plain, True), (watched, False)):
        assert rig.session.scope.script(b"select item from orders where id = 1").plain is expected


# --- trails ---


def test_a_trail_forgets_what_is_old_and_keeps_only_so_much() -> None:
    trail = Trail()
    counts = [trail.to(step, 10 * step, 0, 5, stays=True) for step in range(200)]
    assert counts[:7] == [1, 2, 3, 4, 5, 6, 7]
    assert counts[-1] == 5 + module.BEYOND_MAX
    assert trail.to(199, 2000, 0, 5, stays=True) == 0, "it was there"
    assert trail.to(500, 9000, 8999, 5, stays=False) == 1


def test_a_step_that_does_not_stay_is_new_again() -> None:
    trail = Trail()
    assert [trail.to(step, 0, 0, 2, stays=False) for step in (1, 2, 2, 3, 1)] == [1, 2, 2, 2, 0]


def test_a_worker_keeps_so_many_trails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRAILS_MAX", 3)
    trails = Trails()
    for who in ("a", "b", "c", "a", "d"):
        trails.trail(who, "r", "s").to(None, 1, 0, 9, stays=True)
    assert len(trails) == 3
    assert [trails.trail(who, "r", "s").to(None, 1, 0, 9, stays=True) for who in "ac"] == [3, 2]
    assert trails.trail("b", "r", "s").to(None, 1, 0, 9, stays=True) == 1
