"""What all measurements share: rounds that begin with another peer each, what they brought, goals, and lines of Markdown."""

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

BENCH = Path(__file__).parents[1] / "bench.md"
REASON_CHARACTERS_MAX = 160
Figures = Mapping[str, float]  # by kind: "tps", "cpu" …


class Failed(Exception):
    """A peer could not do the work; the reason in a line."""


class Named(Protocol):
    """A peer."""

    name: str


Peer = TypeVar("Peer", bound=Named)


@dataclass(frozen=True)
class Goal:
    """What ours through the other's is to be."""

    ratio: float
    at_most: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.ratio:.2f}"

    def reached(self, ratio: float | None) -> str:
        if ratio is None:
            return "no ratio"
        shown = round(ratio, 2)  # what is met can be seen in the figure that is printed
        met = shown <= self.ratio if self.at_most else shown >= self.ratio
        return f"{shown:.2f} {'met' if met else 'missed'}"


@dataclass(frozen=True)
class Measure:
    """A kind of figure, whose it is, and what ours of it is held against."""

    kind: str
    unit: str
    peers: tuple[str, ...]
    digits: int = 0
    against: str = "pgbouncer"

    @property
    def name(self) -> str:
        return self.kind if self.kind != "cpu" else "CPU"


@dataclass
class Samples:
    """Figures by work, peer and kind, as the rounds bring them, or why there are none."""

    figures: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, work: str, peer: str, measure: Callable[[], Figures]) -> None:
        """Keeps what `measure` brings. A peer that failed at this work is not asked again."""
        if (work, peer) in self.failures:
            return
        try:
            brought = measure()
        except Exception as error:  # whatever it is: the others are measured all the same, and the table says why
            self.failures[work, peer] = reason(error)
            tell(f"{work}, {peer}: {reason(error)}")
            return
        for kind, value in brought.items():
            self.figures.setdefault((work, peer, kind), []).append(value)

    def cell(self, work: str, peer: str, measure: Measure) -> str:
        if (work, peer) in self.failures:
            return f"failed: {self.failures[work, peer]}"
        values = self.figures.get((work, peer, measure.kind))
        return spread(values, measure.digits) if values else "not measured"

    def median(self, work: str, peer: str, kind: str) -> float | None:
        values = self.figures.get((work, peer, kind))
        return statistics.median(values) if values and (work, peer) not in self.failures else None

    def ratio(self, work: str, kind: str, against: str) -> float | None:
        """Ours through the other's; None where one is missing, or where noise has left nothing to divide by."""
        ours, other = self.median(work, "sluice", kind), self.median(work, against, kind)
        return ours / other if ours is not None and other is not None and other > 0 else None


class Sampler(Generic[Peer]):
    """Asks every peer for every work, round after round."""

    def __init__(self, peers: Sequence[Peer], rounds: int) -> None:
        self.peers = peers
        self.rounds = rounds

    def run(self, works: Mapping[str, Callable[[Peer], Figures]]) -> Samples:
        samples = Samples()
        for turn, order in enumerate(interleaved(self.peers, self.rounds)):
            for name, work in works.items():
                for peer in order:
                    samples.take(name, peer.name, partial(work, peer))
            tell(f"round {turn + 1} of {self.rounds} done")
        return samples


def interleaved(peers: Sequence[Peer], rounds: int) -> Iterator[list[Peer]]:
    """The peers in each round's order: each begins with another one, so that a busy neighbour hits all of them."""
    for turn in range(rounds):
        first = turn % len(peers)
        yield [*peers[first:], *peers[:first]]


def goals_table(
    head: str, samples: Samples, works: Mapping[str, Sequence[Goal]], measures: Sequence[Measure]
) -> list[str]:
    """A line for each work: every peer's figures, its goals, what was reached. Measures without goals come last."""
    titles = [f"{peer} {measure.unit}" for measure in measures for peer in measure.peers]
    lines = heading([head, *titles, f"goal: of {measures[0].against}", "reached"])
    for work, goals in works.items():
        cells = [samples.cell(work, peer, measure) for measure in measures for peer in measure.peers]
        wanted, got = [], []
        for goal, measure in zip(goals, measures, strict=False):
            name = f"{measure.name} " if len(goals) > 1 else ""
            wanted.append(f"{name}{goal}")
            got.append(f"{name}{goal.reached(samples.ratio(work, measure.kind, measure.against))}")
        lines.append(row([work, *cells, "; ".join(wanted), "; ".join(got)]))
    return lines


def figures_table(head: str, samples: Samples, works: Iterable[str], measures: Sequence[Measure]) -> list[str]:
    """A line for each work: every peer's figures alone."""
    pairs = [(peer, measure) for measure in measures for peer in measure.peers]
    lines = heading([head, *(f"{peer} {measure.unit}" for peer, measure in pairs)])
    return [*lines, *(row([work, *(samples.cell(work, *pair) for pair in pairs)]) for work in works)]


def rounds_line(rounds: int, seconds: int | None = None) -> str:
    each = f" of {seconds} s" if seconds else ""
    return f"One round{each}." if rounds == 1 else f"{rounds} interleaved rounds{each}; median (lowest to highest)."


def reason(error: BaseException) -> str:
    """Why, in a line that fits into a table's cell."""
    text = " ".join(str(error).split()) or "no reason given"
    name = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
    return (name + text)[:REASON_CHARACTERS_MAX].replace("|", "/")


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and behind it the lowest and the highest."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def heading(cells: Sequence[str]) -> list[str]:
    return [row(cells), row(["---"] * len(cells))]


def tell(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def record(name: str, text: str, file: Path = BENCH) -> None:
    """Puts the text between the marks of this name in bench.md."""
    begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
    before, opened, rest = file.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        sys.exit(f"{file.name} has no place for it: {begin} and {end}")
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}")
