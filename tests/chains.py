"""What hangs on an error, shown in a traceback or not: there secrets are looked for."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

_DEPTH = 4
"""How deep to look into what errors hold: a request, its headers, one of them."""


def chain_of(error: BaseException | None) -> list[BaseException]:
    """Returns an error and all that hang on it."""
    found: list[BaseException] = []
    todo = [error]
    while todo:
        this = todo.pop()
        if this is not None and this not in found:
            found.append(this)
            todo += [this.__cause__, this.__context__, *getattr(this, "exceptions", [])]
    return found


def described(error: BaseException) -> str:
    """Returns everything that an exception chain can say of itself."""
    text = "".join(traceback.format_exception(error))
    for one in chain_of(error):
        text += f"{one!r} {one!s} {getattr(one, '__notes__', '')}"
        text += _deep(one.args, _DEPTH) + _deep(vars(one), _DEPTH)
    return text


def _deep(value: Any, depth: int) -> str:
    text = f"{value!r} "
    if depth and not isinstance(value, str | bytes | type):
        if isinstance(value, Mapping):
            inside = list(value.values())
        elif isinstance(value, list | tuple | set):
            inside = list(value)
        else:
            inside = list(getattr(value, "__dict__", {}).values())
        text += "".join(_deep(one, depth - 1) for one in inside)
    return text
