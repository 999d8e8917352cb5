"""Exception chains as text, in which tests search for secrets."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

_DEPTH = 4
"""Levels of attributes and containers to include, such as request, headers, header."""


def chain_of(error: BaseException | None) -> list[BaseException]:
    """Return an exception with its causes, contexts and group members."""
    found: list[BaseException] = []
    todo = [error]
    while todo:
        current = todo.pop()
        if current is not None and current not in found:
            found.append(current)
            todo += [current.__cause__, current.__context__, *getattr(current, "exceptions", [])]
    return found


def described(error: BaseException) -> str:
    """Return the traceback, messages, notes and attributes of an exception chain as one text."""
    text = "".join(traceback.format_exception(error))
    for link in chain_of(error):
        text += f"{link!r} {link!s} {getattr(link, '__notes__', '')}"
        text += _nested_repr(link.args, _DEPTH) + _nested_repr(vars(link), _DEPTH)
    return text


def _nested_repr(value: Any, depth: int) -> str:
    text = f"{value!r} "
    if depth and not isinstance(value, str | bytes | type):
        if isinstance(value, Mapping):
            members = list(value.values())
        elif isinstance(value, list | tuple | set):
            members = list(value)
        else:
            members = list(getattr(value, "__dict__", {}).values())
        text += "".join(_nested_repr(member, depth - 1) for member in members)
    return text
