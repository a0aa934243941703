"""One page about a load run: what each kind of user got, how fast over time, and what the gateway used for it."""

import json
import sys
from pathlib import Path
from typing import Any

import jinja2
import plots

PAGE = "report.html"
TEMPLATE = "report_page.html.j2"


def write(folder: Path) -> Path:
    """Makes the page of what the run left in this folder; its place."""
    series = json.loads((folder / "series.json").read_text())
    processes = json.loads((folder / "processes.json").read_text())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    page = folder / PAGE
    page.write_text(
        environment.get_template(TEMPLATE).render(
            cards=cards(series, processes),
            requests=sorted(series["requests"], key=lambda each: (each["kind"], each["name"])),
            failures=series["failures"],
            plots=plots.drawn(series, processes),
            history=(folder / "locust.html").exists(),
        )
    )
    return page


def cards(series: dict[str, Any], processes: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures on top."""
    buckets = [bucket for kind in series["kinds"].values() for bucket in kind]
    times = [bucket["time"] for bucket in buckets]
    seconds = max(times) - min(times) + series["bucket_seconds"] if times else 0
    count = sum(bucket["count"] for bucket in buckets)
    found = [
        ("Seconds", f"{seconds:,}"),
        ("Requests", f"{count:,}"),
        ("Requests a second", f"{count / seconds:,.0f}" if seconds else "0"),
        ("Wrong or failed", f"{sum(bucket['failures'] for bucket in buckets):,}"),
        ("Refused, as they must be", f"{sum(bucket['refused'] for bucket in buckets):,}"),
        ("Sessions at once, most", f"{max((open for _, open in series['sessions']), default=0):,}"),
    ]
    if samples := processes.get("gateway"):
        found.append(("Gateway CPU, cores", f"{sum(cores for _, cores, _ in samples) / len(samples):.2f}"))
        found.append(("Gateway memory, most", f"{max(size for _, _, size in samples):,.0f} MiB"))
    return found


def figure(number: float) -> str:
    """As people read it."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.1f}"


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
