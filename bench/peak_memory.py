"""The peak memory of a measured process."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    On Linux, `ru_maxrss` is at least the memory of the process that started this one, which can be
    larger.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.M)
        return int(peak) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Bytes on macOS.
