"""The tables that the command line prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNLIMITED = 10_000
"""Columns of what is no terminal, where no cell is to be cut or folded."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table on standard output.

    Args:
        columns: The names of the columns. One called `bytes` is aligned to the right.
        rows: The cells; None is a dash.
    """
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column == "bytes" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = _UNLIMITED
    console.print(table)


def printable(text: str) -> str:
    """Returns a text without what would control a terminal: keys and ids may be anything.

    Args:
        text: Any text; its lines stay lines.
    """
    return "\n".join(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", line) for line in text.split("\n"))


def _cell(value: object) -> Text:
    if value is None:
        return Text("-")
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))
