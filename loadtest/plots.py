"""The plots of a load run, as SVG for one page."""

import io
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

WIDTH = 13.0  # inches, of 72 points
COLOURS = ("#2563a8", "#c2571a", "#3b7d3b", "#7a4a9c", "#8a6d00")
PERCENTILES = (("p50", "#2563a8"), ("p95", "#c2571a"), ("p99", "#a3213a"))
FEW = 40  # so many places on a line are marked
LEAST = 0.01  # a logarithmic scale has no zero
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sluice",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


def drawn(series: dict[str, Any], processes: dict[str, Any]) -> list[tuple[str, str, Markup]]:
    """Title, what to see, and the SVG."""
    kinds = {name: buckets for name, buckets in sorted(series["kinds"].items()) if buckets}
    if not kinds:
        return []
    times = [bucket["time"] for buckets in kinds.values() for bucket in buckets]
    start, end = min(times), max(times)
    step = series["bucket_seconds"]
    kinds = {name: filled(buckets, start, end, step) for name, buckets in kinds.items()}
    with mpl.rc_context(STYLE):
        made = [
            ("Throughput", "Requests a second, by kind of user.", throughput(kinds, step)),
            ("Response times", "Milliseconds, on a logarithmic scale; a request of a batch job or of a slow reader"
             " is 20,000 rows.", response_times(kinds)),
            ("Refusals, failures and sessions", "Refusals are those that had to come. A failure is a wrong answer"
             " as well as an error.", outcomes(kinds, start, series)),
        ]  # fmt: skip
        if any(processes.values()):
            made.append(
                ("Processor and memory", "The gateway's processes together, and the load generator: near one core"
                 " it measures itself. Memory is shared out among those who share it.", usage(processes, start))
            )  # fmt: skip
    return made


def filled(buckets: list[dict[str, float]], start: float, end: float, step: float) -> list[dict[str, float]]:
    """One bucket for each time since the start; those in which nothing happened say so."""
    there = {bucket["time"]: bucket for bucket in buckets}
    nothing = {"count": 0, "failures": 0, "refused": 0}
    times = [start + step * place for place in range(int((end - start) // step) + 1)]
    return [{**nothing, **there.get(time, {}), "time": time - start} for time in times]


def svg(figure: Figure) -> Markup:
    """The figure as an element of the page: without the XML's head, as wide as its place."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return Markup(text[text.index("<svg") :])  # matplotlib escapes what stands in it


def finished(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)


def throughput(kinds: dict[str, Any], step: float) -> Markup:
    figure = Figure((WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    for (name, buckets), colour in zip(kinds.items(), COLOURS, strict=False):
        times = [bucket["time"] for bucket in buckets]
        axes.plot(times, [bucket["count"] / step for bucket in buckets], label=name, color=colour)
    finished(axes, "requests a second")
    axes.set_xlabel("seconds")
    figure.legend(loc="outside right upper")
    return svg(figure)


def response_times(kinds: dict[str, Any]) -> Markup:
    rows = -(-len(kinds) // 2)
    figure = Figure((WIDTH, 2.2 * rows + 0.3), layout="constrained")
    places = figure.subplots(rows, 2, squeeze=False, sharex=True).flat
    for (name, buckets), axes in zip(
        kinds.items(), places, strict=False
    ):  # in this order: zip takes no place too many
        timed = [bucket for bucket in buckets if "p50" in bucket]
        marker = "o" if len(timed) < FEW else ""
        for percentile, colour in PERCENTILES:
            values = [max(bucket[percentile], LEAST) for bucket in timed]
            times = [bucket["time"] for bucket in timed]
            axes.plot(times, values, label=percentile, color=colour, marker=marker, markersize=3)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # a label even within one decade
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        axes.set_title(f"{name}, ms")
        axes.set_xlim(0, buckets[-1]["time"] or 1)
    for axes in places:
        axes.set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return svg(figure)


def outcomes(kinds: dict[str, Any], start: float, series: dict[str, Any]) -> Markup:
    figure = Figure((WIDTH, 2.4), layout="constrained")
    refused, failed, sessions = figure.subplots(1, 3)
    for axes, counted, colour in ((refused, "refused", COLOURS[0]), (failed, "failures", PERCENTILES[2][1])):
        summed: dict[float, float] = {}
        for buckets in kinds.values():
            for bucket in buckets:
                summed[bucket["time"]] = (
                    summed.get(bucket["time"], 0) + bucket[counted] / series["bucket_seconds"]
                )
        times = sorted(summed)
        axes.fill_between(
            times, [summed[at] for at in times], step="mid", color=colour, alpha=0.8, linewidth=0
        )
        finished(axes, f"{counted} a second")
        if not any(summed.values()):
            axes.set_ylim(0, 1)
            axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color="#777777")
    times = [at - start for at, _ in series["sessions"]]
    sessions.plot(times, [open for _, open in series["sessions"]], color=COLOURS[3])
    finished(sessions, "sessions open")
    for axes in (refused, failed, sessions):
        axes.set_xlabel("seconds")
    return svg(figure)


def usage(processes: dict[str, Any], start: float) -> Markup:
    figure = Figure((WIDTH, 2.4), layout="constrained")
    cores, memory = figure.subplots(1, 2)
    for (name, samples), colour in zip(sorted(processes.items()), COLOURS, strict=False):
        times = [at - start for at, _, _ in samples]
        cores.plot(times, [used for _, used, _ in samples], label=name, color=colour)
        memory.plot(times, [size for _, _, size in samples], label=name, color=colour)
    finished(cores, "cores used")
    finished(memory, "memory, MiB")
    for axes in (cores, memory):
        axes.set_xlabel("seconds")
        axes.set_xlim(left=0)
    handles, labels = cores.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    return svg(figure)
