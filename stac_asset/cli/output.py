"""Writes results to standard output, and messages to standard error.

Colors are used on a terminal, unless `NO_COLOR` is set. Source: https://no-color.org
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any

import click

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COLORS = {"error": "red", "warning": "yellow"}


def uses_colors() -> bool:
    """Return whether colors are allowed. Click removes colors if there is no terminal."""
    return not os.environ.get("NO_COLOR")


def colored(text: str, color: str) -> str:
    """Return a text in a color, or the unchanged text if `NO_COLOR` is set.

    Args:
        text: The text.
        color: A name of a color of click.
    """
    return click.style(text, fg=color) if uses_colors() else text


def printable(text: str) -> str:
    """Return a text without the characters that control a terminal.

    Args:
        text: Any text, such as an id or key of an untrusted document. Line breaks are kept.
    """
    return "\n".join(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", line) for line in text.split("\n"))


def print_json(value: Any) -> None:
    """Print a JSON value on standard output.

    Args:
        value: A value of Python's JSON types.
    """
    click.echo(json.dumps(value, indent=2))


def print_message(text: str) -> None:
    """Print a text on standard error, without characters that control a terminal.

    Args:
        text: The text. Names of parameters are replaced by those of the command line.
    """
    click.echo(_shown(text), err=True)


def print_problem(text: str, is_error: bool = True, details: Iterable[str] = ()) -> None:
    """Print an error or a warning on standard error.

    Args:
        text: The text, without the word "error".
        is_error: Print an error. Otherwise print a warning.
        details: A line for each detail, such as for each failed asset.
    """
    kind = "error" if is_error else "warning"
    click.echo(f"{colored(f'{kind}:', _COLORS[kind])} {_shown(text)}", err=True)
    for detail in details:
        click.echo(f"- {_shown(detail)}", err=True)


def _shown(text: str) -> str:
    from stac_asset.cli.names import as_typed

    return printable(as_typed(text))
