"""Tables and cells in Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Args:
        columns: The titles of the columns.
        rows: The cells of each row, as Markdown.
    """
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    # The site shows a backslash in code. A pipe in code does not end the cell.
    parts = re.split(r"(`[^`]*`)", text.replace("\n", " "))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)


def code(text: str) -> str:
    """Return a text as code.

    Args:
        text: The text. An empty text stays empty.
    """
    return f"`{text}`" if text else ""


def text_cell(text: str) -> str:
    """Return a docstring as the text of a cell.

    Args:
        text: The docstring. Line breaks become spaces, and HTML outside of code is escaped.
    """
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else html.escape(part, quote=False) for part in parts
    )
