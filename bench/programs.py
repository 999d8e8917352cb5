"""The programs that measurements use."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench.measure import BenchError


def program_path(name: str) -> str:
    """Return the path of a program in the virtual environment or the system.

    Args:
        name: The name of the program.

    Raises:
        BenchError: The program is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    path = (
        str(beside) if beside.exists() else shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    )
    if path is None:
        raise BenchError(f"{name} is not installed. Run scripts/install-bench-packages.")
    return path
