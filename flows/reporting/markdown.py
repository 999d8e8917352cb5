"""Build markdown for artifacts. Ids and error texts are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.filesize import decimal

from stac_asset.destinations.location import is_store

_MAX_ERRORS = 10
"""Maximum number of errors in a summary."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>!|&~])")


def plain(text: str) -> str:
    """Return a text on a single line, with the special characters of markdown escaped.

    Args:
        text: Any text.
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table.

    Args:
        head: The names of the columns.
        rows: The cells of each row, in markdown.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def link(location: str) -> str:
    """Return a markdown link to a local file. Browsers open no URLs of object stores.

    Args:
        location: The path of the file, or the URL of an object.
    """
    if is_store(location):
        return plain(location)
    return f"[{plain(location)}](<{Path(location).absolute().as_uri()}>)"


def size(count: int) -> str:
    """Return a size in a rounded unit, followed by the exact number of bytes.

    Args:
        count: The number of bytes.
    """
    return f"{decimal(count)} ({count:,} bytes)" if count >= 1000 else decimal(count)


def failed_section(errors: Sequence[str], count: int, elsewhere: str) -> list[str]:
    """Return the parts of the section 'Failed' of a summary, or an empty list without errors.

    Args:
        errors: The first errors.
        count: The number of errors.
        elsewhere: Where the reader finds the other errors, such as "the report".
    """
    if not errors:
        return []
    lines = [f"- {plain(error)}" for error in errors[:_MAX_ERRORS]]
    if count > len(lines):
        lines.append(f"- and {count - len(lines):,} more: see {elsewhere}")
    return ["## Failed", "\n".join(lines)]
