"""Pieces of markdown, in which ids and errors from elsewhere say nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.filesize import decimal

_REASONS = 10
"""How many errors a summary names."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>!|&~])")


def plain(text: str) -> str:
    """Returns a text that says nothing in markdown.

    Args:
        text: Any text.
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table.

    Args:
        head: The names of its columns.
        rows: Its cells, which are markdown.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def link(path: str) -> str:
    """Returns a link to a file of this machine.

    Args:
        path: Where it is.
    """
    return f"[{plain(path)}](<{Path(path).absolute().as_uri()}>)"


def size(count: int) -> str:
    """Returns a number of bytes, also exactly.

    Args:
        count: The number.
    """
    return f"{decimal(count)} ({count:,} bytes)" if count >= 1000 else decimal(count)


def reasons(errors: Sequence[str], count: int, elsewhere: str) -> list[str]:
    """Returns the section on what failed; nothing where nothing did.

    Args:
        errors: The first errors.
        count: How many there are.
        elsewhere: Where the others are.
    """
    if not errors:
        return []
    shown = [f"- {plain(error)}" for error in errors[:_REASONS]]
    if count > len(shown):
        shown.append(f"- and {count - len(shown):,} more: see {elsewhere}")
    return ["## Failed", "\n".join(shown)]
