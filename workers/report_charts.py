"""The geometry of the report's plots: plain numbers for the page's inline SVG, so that no text is ever put together here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1000.0
HEIGHT: Final = 200.0
BAR_WIDTH_MAX: Final = 60.0
BARS_MAX: Final = 180  # more places than that are added up


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in a box of WIDTH times HEIGHT; `part` names what it counts."""

    x: float
    y: float
    width: float
    height: float
    part: str
    said: str  # the place, the part and its count


@dataclass(frozen=True, slots=True)
class Plot:
    """Stacked bars over time; `top` is the highest sum."""

    bars: tuple[Bar, ...]
    top: int
    first: str
    last: str
    parts: tuple[tuple[str, int], ...]  # with their sums


def stacked(times: Sequence[str], parts: Mapping[str, Sequence[int]]) -> Plot:
    """One bar a time, its parts one upon the other in their order. Many times are added up to at most BARS_MAX bars."""
    group = -(-len(times) // BARS_MAX) or 1
    starts = range(0, len(times), group)
    summed = {name: [sum(counts[at : at + group]) for at in starts] for name, counts in parts.items()}
    top = max((sum(each) for each in zip(*summed.values(), strict=True)), default=0)
    step = WIDTH / max(1, len(starts))
    bars = []
    for place, at in enumerate(starts):
        floor = HEIGHT
        for name, counts in summed.items():
            if counts[place]:
                height = counts[place] / top * HEIGHT
                floor -= height
                wide = min(step * 0.84, BAR_WIDTH_MAX)
                x = place * step + (step - wide) / 2
                said = f"{times[at]}: {name} {counts[place]:,}"
                bars.append(Bar(round(x, 2), round(floor, 2), round(wide, 2), round(height, 2), name, said))
    sums = tuple((name, sum(counts)) for name, counts in parts.items())
    return Plot(tuple(bars), top, times[0] if times else "", times[-1] if times else "", sums)


def shares(rows: Sequence[Sequence[object]]) -> list[tuple[str, int, float]]:
    """Name, count and percentage of the greatest count, for a list of bars side by side."""
    counted = [(str(name), int(str(count))) for name, count in rows]
    most = max((count for _, count in counted), default=0)
    return [(name, count, round(100 * count / most, 2) if most else 0.0) for name, count in counted]
