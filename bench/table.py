"""Prints figures."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable

_SHOWN = 20


def print_table(rows: Iterable[tuple[str, str]], problems: list[str]) -> None:
    """Prints figures by name, where they were taken, and what is wrong.

    Args:
        rows: Names and figures.
        problems: The promises that are broken.
    """
    cores, python = os.cpu_count(), platform.python_version()
    rows = [*rows, ("machine", f"{platform.system()}, {cores} cores, Python {python}")]
    width = max(len(name) for name, _ in rows)
    for name, figure in rows:
        print(f"{name:<{width}}  {figure}")
    for problem in problems[:_SHOWN]:
        print(f"BROKEN: {problem}")
    if len(problems) > _SHOWN:
        print(f"BROKEN: and {len(problems) - _SHOWN} more")
    if not problems:
        print("All promises hold.")
