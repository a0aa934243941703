"""Plots add up."""

from hypothesis import given
from hypothesis import strategies as st

from workers.report_charts import BARS_MAX, HEIGHT, WIDTH, shares, stacked


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=500))
def test_bars_stay_in_their_box_and_their_sums_are_kept(counts: list[tuple[int, int]]) -> None:
    plot = stacked([str(n) for n in range(len(counts))], {"a": [a for a, _ in counts], "b": [b for _, b in counts]})
    assert dict(plot.parts) == {"a": sum(a for a, _ in counts), "b": sum(b for _, b in counts)}
    assert len({bar.x for bar in plot.bars}) <= BARS_MAX
    for bar in plot.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH + 0.02
        assert bar.y >= -0.02
        assert bar.y + bar.height <= HEIGHT + 0.02


def test_nothing_is_an_empty_plot() -> None:
    assert stacked([], {"a": []}).bars == ()
    assert stacked(["x"], {"a": [0]}).bars == ()
    assert shares([]) == []


def test_shares_are_of_the_greatest() -> None:
    assert shares([["a", 4], ["b", 1], ["c", 0]]) == [("a", 4, 100.0), ("b", 1, 25.0), ("c", 0, 0.0)]
    assert shares([["a", 0]]) == [("a", 0, 0.0)]
