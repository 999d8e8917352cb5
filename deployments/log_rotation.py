"""Internal: limit the size of the log files of `make up`.

Background processes append to their log files, and never open the files again. A large log is
therefore copied to `server.log.1`, and truncated. Earlier copies become `server.log.2` and so on.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

MAX_SIZE = 10 * 1024**2
"""Size of a log file in bytes from which the file is rotated."""

COPIES = 5
"""Number of earlier copies that are kept."""

_INTERVAL = 60.0
"""Seconds between two checks of the sizes."""


def rotate_logs(folder: Path, max_size: int = MAX_SIZE) -> None:
    """Rotate the log files of a folder that are too large.

    Args:
        folder: The folder of the files `*.log`.
        max_size: The size in bytes from which a file is rotated.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size < max_size:
            continue
        for number in range(COPIES - 1, 0, -1):
            if (copy := _copy(log, number)).exists():
                copy.replace(_copy(log, number + 1))
        shutil.copyfile(log, _copy(log, 1))
        os.truncate(log, 0)


def rotate_logs_in_thread(folder: Path, interval: float = _INTERVAL) -> None:
    """Rotate the log files of a folder regularly, until the end of this process.

    Args:
        folder: The folder of the files `*.log`.
        interval: Seconds between two checks.
    """

    def rotate() -> None:
        wait = threading.Event()
        while not wait.wait(interval):
            try:
                rotate_logs(folder)
            except OSError:  # The disk is full, or the folder was removed. Try again later.
                continue

    threading.Thread(target=rotate, name="log rotation", daemon=True).start()


def _copy(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")
