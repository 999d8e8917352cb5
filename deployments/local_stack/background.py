"""Internal: background processes that later commands can find and stop.

Each process holds a lock on a file with its process id until the process ends. An unlocked file
means that the process has ended, even if another process has the same id, for example after a
restart of the machine.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stac_asset.errors import StacAssetError
from stac_asset.redact import redact_text

_START_MARK = "Process started at "
"""Start of the first line that each process has in its log file."""


class StackError(StacAssetError):
    """A background process cannot be started or does not work."""


@dataclass(frozen=True, slots=True)
class Background:
    """A background process, running or not.

    Args:
        name: The name of the process.
        folder: The folder of the lock file and the log file.
    """

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """The path of the log file, with the output of the process."""
        return self.folder / f"{self.name}.log"

    @property
    def _lock(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process unless the process is running.

        Args:
            command: The program and its arguments.
            environment: All environment variables of the process.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if _is_running(file):
                return
            with self.log.open("ab") as log:
                log.write(
                    f"{_START_MARK}{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}\n".encode()
                )
                log.flush()
                process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # The process inherits the lock, and holds the lock until the process ends.
                    pass_fds=[file],
                    # Ctrl-C in the terminal must not reach the process.
                    start_new_session=True,
                )
            os.ftruncate(file, 0)
            os.write(file, str(process.pid).encode())
        finally:
            os.close(file)

    def pid(self) -> int | None:
        """Return the process id, if the process is running."""
        try:
            file = os.open(self._lock, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            # The file is empty while another command starts the process.
            return _pid_in(file) if _is_running(file) else None
        finally:
            os.close(file)

    def since(self) -> datetime | None:
        """Return the time at which the process was started, if the process is running."""
        if self.pid() is None:
            return None
        return datetime.fromtimestamp(self._lock.stat().st_mtime).astimezone()

    def stop(self, timeout: float) -> bool:
        """Stop the process, and return whether the process was running.

        Args:
            timeout: Seconds between SIGTERM and SIGKILL.
        """
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while self.pid() == pid:
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.1)
        return True

    def failure_reason(self) -> str:
        """Return the line of the log file that tells why the process has stopped."""
        return failure_reason(self.log.read_text(errors="replace") if self.log.exists() else "")


def failure_reason(log: str) -> str:
    """Return the error of the last traceback of the last process in a log, or else the last line.

    Args:
        log: The text of a log.
    """
    of_process = log.rpartition(_START_MARK)[2]
    *_, last = of_process.split("Traceback (most recent call last):\n")
    lines = [line.rstrip() for line in last.splitlines() if line.strip()]
    if last != of_process:
        error = next((line for line in lines if not line.startswith(" ")), None)
        if error is not None:
            return redact_text(error)
    return redact_text(lines[-1].strip()) if lines else "no output"


def _is_running(file: int) -> bool:
    """Return whether the process of a lock file is running. Otherwise lock the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # The file system has no locks. The id may belong to another process by now.
        pid = _pid_in(file)
        if pid is None:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
    return False


def _pid_in(file: int) -> int | None:
    return int(os.pread(file, 20, 0) or 0) or None
