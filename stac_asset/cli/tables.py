"""Prints tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stac_asset.cli.output import printable, uses_colors

_UNLIMITED = 10_000
"""Number of columns if the output is not a terminal, so that no cell is cut or folded."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on standard output.

    Args:
        columns: The names of the columns. A column `bytes` is aligned to the right.
        rows: The cells of each row. None is printed as a dash.
    """
    table = Table(box=None, pad_edge=False, header_style="bold" if uses_colors() else "")
    for column in columns:
        table.add_column(column, justify="right" if column == "bytes" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = _UNLIMITED
    console.print(table)


def _cell(value: object) -> Text:
    if value is None:
        return Text("-")
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return Text(printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}"))
