"""Samples of rounds, goals, and the lines of Markdown that are made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tables import (
    Failed,
    Goal,
    Measure,
    Sampler,
    Samples,
    figures_table,
    goals_table,
    interleaved,
    percentile,
    record,
    rounds_line,
    spread,
)

PEERS = ("pgbouncer", "sluice")
TPS = Measure("tps", "tps", PEERS)
CPU = Measure("cpu", "CPU µs", PEERS, digits=1)


@dataclass
class Peer:
    name: str


def cells(line: str) -> list[str]:
    return line.strip("| ").split(" | ")


def samples(ours: Sequence[float], theirs: Sequence[float], kind: str = "tps") -> Samples:
    return Samples({("work", "sluice", kind): list(ours), ("work", "pgbouncer", kind): list(theirs)})


@pytest.mark.parametrize(
    ("goal", "ratio", "said"),
    [
        (Goal(1.0), 1.0, "1.00 met"),
        (Goal(1.0), 0.994, "0.99 missed"),
        (Goal(1.0), 0.996, "1.00 met"),
        (Goal(1.25, at_most=True), 1.26, "1.26 missed"),
        (Goal(1.25, at_most=True), 1.2, "1.20 met"),
        (Goal(1.0), None, "no ratio"),
    ],
)
def test_goal_says_what_was_reached_of_it(goal: Goal, ratio: float | None, said: str) -> None:
    assert goal.reached(ratio) == said


def test_every_round_begins_with_another_peer_and_asks_all() -> None:
    orders = list(interleaved(["a", "b", "c"], 4))
    assert [order[0] for order in orders] == ["a", "b", "c", "a"]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)


def test_sampler_asks_every_peer_for_every_work_in_every_round() -> None:
    asked = []

    def work(peer: Peer) -> dict[str, float]:
        asked.append(peer.name)
        return {"tps": float(len(asked))}

    taken = Sampler([Peer("pgbouncer"), Peer("sluice")], 2).run({"work": work})
    assert asked == ["pgbouncer", "sluice", "sluice", "pgbouncer"]
    assert taken.figures == {("work", "pgbouncer", "tps"): [1, 4], ("work", "sluice", "tps"): [2, 3]}


def test_peer_that_failed_is_not_asked_again_and_its_cell_says_why() -> None:
    asked = []

    def work(peer: Peer) -> dict[str, float]:
        asked.append(peer.name)
        if peer.name == "sluice":
            raise Failed("too many\nsessions | at once")
        return {"tps": 7}

    taken = Sampler([Peer("pgbouncer"), Peer("sluice")], 3).run({"work": work})
    assert asked.count("sluice") == 1
    *_, line = goals_table("head", taken, {"work": (Goal(1.0),)}, [TPS])
    assert cells(line) == ["work", "7 (7 to 7)", "failed: too many sessions / at once", "≥ 1.00", "no ratio"]


def test_unforeseen_error_is_named_by_its_type() -> None:
    taken = Samples()
    taken.take("work", "sluice", lambda: {"tps": 1 / 0})
    assert taken.cell("work", "sluice", TPS) == "failed: ZeroDivisionError: division by zero"


def test_ratio_is_of_medians_so_that_one_bad_round_does_not_count() -> None:
    assert samples([10, 90, 100], [100, 100, 1]).ratio("work", "tps", "pgbouncer") == pytest.approx(0.9)


def test_what_noise_made_nothing_or_less_divides_nothing() -> None:
    assert samples([5], [-3]).ratio("work", "tps", "pgbouncer") is None
    assert samples([5], []).ratio("work", "tps", "pgbouncer") is None


def test_line_shows_each_peer_each_goal_and_what_was_reached() -> None:
    taken = samples([900, 1000, 1100], [2000, 2000, 2000])
    taken.figures |= samples([20], [16], "cpu").figures
    head, rule, line = goals_table("head", taken, {"work": (Goal(1.0), Goal(1.25, at_most=True))}, [TPS, CPU])
    wanted = ["head", "pgbouncer tps", "sluice tps", "pgbouncer CPU µs", "sluice CPU µs", "goal: of pgbouncer", "reached"]
    assert cells(head) == wanted
    assert cells(rule) == ["---"] * 7
    assert cells(line)[1:3] == ["2,000 (2,000 to 2,000)", "1,000 (900 to 1,100)"]
    assert cells(line)[3:] == ["16.0", "20.0", "tps ≥ 1.00; CPU ≤ 1.25", "tps 0.50 missed; CPU 1.25 met"]


def test_figure_without_a_goal_only_stands_there() -> None:
    taken = samples([10], [10])
    *_, line = goals_table("head", taken, {"work": (Goal(1.0),)}, [TPS, CPU])
    assert cells(line) == ["work", "10", "10", "not measured", "not measured", "≥ 1.00", "1.00 met"]


def test_table_of_figures_alone_has_a_line_for_each_work() -> None:
    lines = figures_table("head", samples([10], [30]), ["work", "other"], [TPS])
    assert [cells(line) for line in lines[2:]] == [["work", "30", "10"], ["other", "not measured", "not measured"]]


def test_spread_is_the_median_with_lowest_and_highest() -> None:
    assert spread([3000, 1000, 2000]) == "2,000 (1,000 to 3,000)"
    assert spread([0.126], 2) == "0.13"


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([4.5], 0.99) == 4.5


def test_rounds_are_said_in_a_sentence() -> None:
    assert rounds_line(5, 6) == "5 interleaved rounds of 6 s; median (lowest to highest)."
    assert rounds_line(1) == "One round."


def test_record_replaces_what_stands_between_the_marks_of_its_name(tmp_path: Path) -> None:
    file = tmp_path / "bench.md"
    file.write_text("a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n<!-- two: begin -->\nkept\n<!-- two: end -->\n")
    record("one", "new", file)
    record("one", "newer", file)
    assert file.read_text() == (
        "a\n<!-- one: begin -->\nnewer\n<!-- one: end -->\nb\n<!-- two: begin -->\nkept\n<!-- two: end -->\n"
    )


def test_record_without_its_marks_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "bench.md"
    file.write_text("text\n<!-- one: begin -->\n")
    with pytest.raises(SystemExit, match="one: end"):
        record("one", "new", file)
    assert file.read_text() == "text\n<!-- one: begin -->\n"
