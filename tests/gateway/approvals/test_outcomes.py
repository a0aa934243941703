"""What a write would do: in words, and compared with what was approved."""

import msgspec
import pytest

from gateway.approvals import outcomes, sealed, statements, viewing
from gateway.approvals.outcomes import OTHERS, TABLES_MAX, Changed, Preview, Sample
from gateway.approvals.sealed import Secret, Shown
from gateway.approvals.view import View
from tests.gateway.approvals.test_viewing import HELD, RULES

ORDERS = Changed("public.orders", updated=1200)
DONE = Preview("", "UPDATE", 1200, (ORDERS,), 0.2, ("sequences have moved on",))
SECRET = "ada@example.com"
SAMPLE = Sample("public.orders", ("id", "note"), (("1", SECRET),), (("1", None),))


def test_an_outcome_is_told_by_table() -> None:
    assert outcomes.lines(DONE) == ("UPDATE 1,200", "public.orders: 1,200 updated", "sequences have moved on")
    assert outcomes.lines(Preview("a lock is held")) == ("not previewed: a lock is held",)
    assert "does not count" in outcomes.lines(Preview("", "UPDATE", 1, None))[1]
    again = msgspec.structs.replace(DONE, replaces="more than before")
    assert outcomes.lines(again)[0] == "the outcome is another than was approved: more than before"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (DONE, ""),
        (Preview("no lock"), ""),
        (Preview("", "UPDATE", 3, (Changed("public.orders", updated=3),)), "3 updated (approved: 1,200 updated)"),
        (Preview("", "UPDATE", 1200, (ORDERS, Changed("public.log", inserted=1))), "1 inserted (approved: nothing)"),
        (Preview("", "UPDATE", 1200, ()), "public.orders: nothing (approved: 1,200 updated)"),
        (Preview("", "UPDATE", 1, None), "UPDATE 1 (approved: UPDATE 1,200)"),
    ],
)
def test_an_outcome_differs_in_any_table_and_in_what_the_server_says(now: Preview, words: str) -> None:
    assert words in outcomes.difference(DONE, now)
    assert bool(words) == bool(outcomes.difference(DONE, now))


def test_many_tables_are_summed_up_and_those_without_changes_left_out() -> None:
    many = [Changed(f"t{number:03}", number, 1, 0) for number in range(TABLES_MAX + 3)]
    found = outcomes.changed([Changed("untouched"), *reversed(many)])
    assert found[: TABLES_MAX] == tuple(many[:TABLES_MAX])
    assert found[TABLES_MAX:] == (Changed(OTHERS, 3 * TABLES_MAX + 3, 3, 0),)


def test_samples_go_where_literals_go_and_nowhere_else() -> None:
    key = bytes(32)
    kept = sealed.seal(Secret(b"update", samples=(SAMPLE,)), "h1", key, bytes(12))
    assert SECRET.encode() not in kept
    shown = sealed.shown(sealed.unseal(kept, "h1", key))
    held = msgspec.structs.replace(HELD, previews=True, preview=DONE)
    view = viewing.of_held(held, RULES, "", shown)
    assert view.samples == ("public.orders (id, note)", f"- 1 | {SECRET}", "+ 1 | NULL")
    for blind in (view.without_values(), viewing.of_held(held, RULES, "")):
        assert isinstance(blind, View)
        assert SECRET not in str(msgspec.to_builtins(blind))
        assert "1,200 updated" in " ".join(blind.outcome)
    assert SECRET not in repr(SAMPLE) + repr(view)
    assert Shown("x").samples == ()


def test_nobody_can_approve_before_the_outcome_is_there() -> None:
    assert not HELD.awaits_preview
    asks = msgspec.structs.replace(HELD, previews=True)
    assert asks.awaits_preview
    assert not msgspec.structs.replace(asks, preview=DONE).awaits_preview
    assert statements.ended(asks, "expired", 1.0).preview is None
