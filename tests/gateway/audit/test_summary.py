"""The report as data: every control's figures are there, and the verdict tells the worst that is known."""

import json
from datetime import UTC

import pytest

from gateway.audit.controls import CATALOGUE, NAMES, Framework
from gateway.audit.figures import KINDS, Figures, Terms
from gateway.audit.summary import UNKNOWN, Evidence, report, verdict
from tests.gateway.audit.report_rig import DAY, HOUR, MONDAY_NOON, event, intent, ruling, who


def figures_of(*entries: object, length: int = 7 * DAY) -> Figures:
    figures = Figures(Terms(MONDAY_NOON, MONDAY_NOON + length, UTC))
    figures.feed(entries)  # type: ignore[arg-type]
    return figures


def signed(**more: object) -> Evidence:
    facts: dict[str, object] = {"result": "good", "chains": 2, "verified": 10, "tree_size": 5, "signed_ns": MONDAY_NOON}
    return Evidence(**(facts | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("framework", sorted(CATALOGUE))
def test_every_control_has_its_figures_its_limits_and_an_id_of_its_own(framework: Framework) -> None:
    made = report(framework, figures_of(), Evidence(), MONDAY_NOON)
    assert made["title"] == NAMES[framework]
    assert [each["id"] for each in made["controls"]] == [each.id for each in CATALOGUE[framework]]
    assert len({each.id for each in CATALOGUE[framework]}) == len(CATALOGUE[framework])
    for control in CATALOGUE[framework]:
        assert control.evidence
        assert control.beyond
        assert set(control.exceptions) <= set(KINDS)
    json.dumps(made)


def test_the_asked_controls_are_all_in_the_catalogue() -> None:
    ids = {name: {each.id for each in controls} for name, controls in CATALOGUE.items()}
    assert {f"CC6.{n}" for n in range(1, 9)} | {"CC7.2", "CC7.3"} <= ids["soc2"]
    assert {f"AU-{n}" for n in (2, 3, 5, 6, 8, 9, 10, 11, 12)} | {f"AC-{n}" for n in range(2, 7)} <= ids["fedramp"]
    assert {"164.308(a)(1)(ii)(D)", "164.312(b)", "164.312(d)", "164.312(e)(1)", "164.528"} <= ids["hipaa"]


@pytest.mark.parametrize(
    ("evidence", "grade", "said"),
    [
        (signed(), "good", "whole"),
        (signed(tree_size=0), "attention", "nothing is signed"),
        (signed(result="gap"), "attention", "gaps"),
        (signed(result="tampered", findings=[{"grade": "tampered"}]), "bad", "findings: 1"),
        (signed(result="unreadable"), "bad", "not whole"),
        (signed(head_problems=["x"]), "bad", "not whole"),
        (signed(alarms=["x"]), "bad", "alarm"),
        (Evidence(), "attention", "not verified"),
    ],
)
def test_verdict_is_the_worst_that_is_known(evidence: Evidence, grade: str, said: str) -> None:
    found = verdict(figures_of(), evidence)
    assert found["grade"] == grade
    assert said in found["text"]


def test_a_gap_that_the_records_tell_of_spoils_the_verdict() -> None:
    figures = figures_of(event(1, MONDAY_NOON, "system", what="audit failed", statements=1))
    assert verdict(figures, signed())["grade"] == "attention"


def test_unused_grants_are_known_only_where_a_policy_is_at_hand() -> None:
    figures = figures_of(intent(1, MONDAY_NOON, who(), ruling()))
    assert report("soc2", figures, Evidence(), 0)["figures"]["Grants not used"] == UNKNOWN
    made = report("soc2", figures, Evidence(granted=["analysts read production", "old", "older"]), 0)
    assert made["figures"]["Grants not used"] == 2
    assert made["tables"]["grants_unused"] == ["old", "older"]


@pytest.mark.parametrize(("length", "unit", "places"), [(HOUR, "hour", 1), (72 * HOUR, "hour", 72), (7 * DAY, "day", 8)])
def test_series_have_no_holes_and_hold_every_statement(length: int, unit: str, places: int) -> None:
    figures = figures_of(*(intent(n, MONDAY_NOON + n * 600_000_000_000, who(), ruling()) for n in range(5)), length=length)
    series = report("soc2", figures, Evidence(), 0)["series"]
    assert (series["unit"], len(series["times"])) == (unit, places)
    assert sum(series["statements"]["allow"]) == 5
    assert all(len(each) == places for each in series["statements"].values())


def test_exceptions_name_the_command_that_shows_them() -> None:
    made = report("hipaa", figures_of(intent(1, MONDAY_NOON, who(), ruling(decision="deny"))), Evidence(), 0)
    (refused,) = (each for each in made["exceptions"] if each["kind"] == "deny")
    assert refused["records"][0]["command"] == "sluice audit show db1-0.aabbccdd-1"
    access = next(each for each in made["controls"] if each["id"] == "164.312(a)(1)")
    assert access["exceptions"] == {"deny": 1}
