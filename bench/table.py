"""Print figures as a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable

_MAX_PROBLEMS = 20


def print_table(rows: Iterable[tuple[str, str]], problems: list[str]) -> None:
    """Print figures by name, the machine, and the broken guarantees.

    Args:
        rows: Names and figures.
        problems: The broken guarantees.
    """
    cores, python = os.cpu_count(), platform.python_version()
    rows = [*rows, ("machine", f"{platform.system()}, {cores} cores, Python {python}")]
    width = max(len(name) for name, _ in rows)
    for name, figure in rows:
        print(f"{name:<{width}}  {figure}")
    for problem in problems[:_MAX_PROBLEMS]:
        print(f"BROKEN: {problem}")
    if len(problems) > _MAX_PROBLEMS:
        print(f"BROKEN: and {len(problems) - _MAX_PROBLEMS} more")
    if not problems:
        print("All guarantees hold.")
