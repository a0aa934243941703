"""One request for a terminal: what is known of it line by line, and its preview in tables."""

from collections.abc import Iterable
from typing import Any, Final

import click
from rich.markup import escape
from rich.table import Table

from workers.operations_cli import moment, print_table

_LEFT_OUT: Final = frozenset(("preview", "previews", "samples", "parameters", "given"))
_TIMES: Final = frozenset(("since", "until", "decided", "decide_by"))
_COUNTS: Final = ("inserted", "updated", "deleted")


def print_request(one: dict[str, Any]) -> None:
    """Empty facts are left out."""
    for name, value in one.items():
        if name in _LEFT_OUT or value in ("", [], {}, 0, None, False):
            continue
        click.echo(f"{name}: {_text(name, value)}")
    for number, value in enumerate(one.get("parameters", ()), 1):
        click.echo(f"${number}: {'NULL' if value is None else _line(value)}")
    if "preview" in one:
        _print_preview(one["preview"], one["state"])
    for sample in one.get("samples", ()):
        _print_sample(sample)


def _print_preview(preview: dict[str, Any] | None, state: str) -> None:
    if preview is None:
        click.echo("preview: it is still being tried" if state == "pending" else "preview: none")
        return
    if preview["replaces"]:
        click.echo(f"preview: the outcome is another than was approved: {_line(preview['replaces'])}")
    if preview["why"]:
        click.echo(f"preview: not previewed: {_line(preview['why'])}")
        return
    click.echo(f"preview: {preview['command']} {preview['rows']} in {preview['seconds']:.3f} s, rolled back")
    for note in preview["notes"]:
        click.echo(f"preview: {_line(note)}")
    if preview["tables"] is None:
        click.echo("preview: the server does not count rows by table")
        return
    table = Table("table", *_COUNTS)
    for each in preview["tables"]:
        table.add_row(escape(_line(each["table"])), *(str(each[count]) for count in _COUNTS))
    print_table(table)


def _print_sample(sample: dict[str, Any]) -> None:
    table = Table("", *map(escape, map(_line, sample["columns"])), title=escape(_line(sample["table"])))
    for when in ("before", "after"):
        for row in sample[when]:
            table.add_row(when, *(escape("NULL" if cell is None else _line(cell)) for cell in row))
    print_table(table)


def _text(name: str, value: Any) -> str:
    if name in _TIMES:
        return moment(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(str(each))}" for key, each in value.items())
    return ", ".join(map(_line, value)) if isinstance(value, list) else _line(str(value))


def _line(text: Any) -> str:
    """What anybody may have written, without what would move the cursor."""
    return "".join(_plain(str(text)))


def _plain(text: str) -> Iterable[str]:
    return (char if char.isprintable() else " " for char in text)
