"""Tables of `sluice audit`: as wide as the terminal, and in a pipe as wide as what they hold."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 100_000


def print_table(names: Iterable[str], rows: Iterable[Iterable[str | Text]], whole: Iterable[str] = ()) -> None:
    """A header and rows on standard output. Cells are shown as they are: nothing in them is markup. Columns of numbers are
    those whose cells all are; `whole` ones are never wrapped.
    """
    cells = [[each if isinstance(each, Text) else Text(each) for each in row] for row in rows]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, name in enumerate(names):
        numbers = bool(cells) and all(row[at].plain.isdigit() for row in cells)
        table.add_column(
            Text(name), justify="right" if numbers else "left", no_wrap=numbers or name in whole, overflow="fold"
        )
    for row in cells:
        table.add_row(*row)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    console.print(table)
