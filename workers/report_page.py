"""The report as one HTML page that needs nothing else: no script, nothing loaded, everything of the records escaped."""

from pathlib import Path
from typing import Any, Final

import jinja2

from gateway.audit.figures import KINDS
from workers.report_charts import HEIGHT, WIDTH, shares, stacked

_CARDS: Final = (  # figures that stand on top
    "Statements",
    "Statements refused",
    "Sessions",
    "Sign-ins refused",
    "People",
    "Agents",
    "Rows returned",
    "Rows with masked columns",
    "Rows shown in clear, labelled",
    "Bulk reads",
    "Policy changes",
    "Gaps in the trail",
)


def render(report: dict[str, Any]) -> str:
    """The page of what `gateway.audit.summary.report` returned."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    series = report["series"]
    return environment.get_template("report_page.html.j2").render(
        report=report,
        cards=[(name, report["figures"][name]) for name in _CARDS],
        statements=stacked(series["times"], series["statements"]),
        rows=stacked(series["days"], series["rows"]),
        shares=shares,
        kinds=KINDS,
        width=WIDTH,
        height=HEIGHT,
    )


def figure(value: object) -> str:
    """A number with its thousands apart; everything else as it is."""
    return f"{value:,}" if isinstance(value, int) else str(value)
