"""The name of this machine in tables: processor, number of cores, system and Python."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine_name() -> str:
    """Return the name of this machine, such as `AMD EPYC, 2 cores, Linux, Python 3.11.7`."""
    cores = f"{os.cpu_count()} cores"
    return ", ".join(
        [_processor(), cores, platform.system(), f"Python {platform.python_version()}"]
    )


def _processor() -> str:
    """Return the model of the processor. Only Linux describes the model in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
