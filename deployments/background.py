"""Processes in the background, which are found again, and ended, by another command later.

Each holds a lock on a file of its own for as long as it lives, and the file says its process id.
So nobody takes a stranger for it that has got the same id since, as after a restart of the machine.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stac_asset.errors import StacAssetError


class StackError(StacAssetError):
    """A process in the background does not do what it is there for."""


@dataclass(frozen=True, slots=True)
class Background:
    """A process in the background, whether it runs or not.

    Args:
        name: What to call it.
        folder: Where its files are: one that it locks, and one with what it printed.
    """

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """The file with what it prints."""
        return self.folder / f"{self.name}.log"

    @property
    def _lock(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts it, unless it runs already.

        Args:
            command: Program and arguments.
            environment: All of its environment variables.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # It inherits the lock, and keeps it until it ends.
                    pass_fds=[file],
                    # Ctrl-C in the terminal is not meant for it.
                    start_new_session=True,
                )
            os.ftruncate(file, 0)
            os.write(file, str(process.pid).encode())
        finally:
            os.close(file)

    def pid(self) -> int | None:
        """Returns its process id; None if it does not run."""
        try:
            file = os.open(self._lock, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Empty for the moment in which another command starts it.
            return int(os.read(file, 20) or 0) or None
        finally:
            os.close(file)
        return None

    def stop(self, patience: float) -> bool:
        """Ends it, and returns whether it ran.

        Args:
            patience: Seconds that it gets to end by itself before it is killed.
        """
        pid = self.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self.pid() == pid:
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.1)
        return True

    def last_words(self) -> str:
        """Returns the last line that it printed."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
