"""Background processes of `make up`."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.local_stack.background import Background, failure_reason
from tests.support.processes import block_until

SERVER_LOG = """
View the API reference documentation at http://127.0.0.1:4200/docs

ERROR:    Traceback (most recent call last):
  File "sqlite3.py", line 1, in connect
sqlite3.OperationalError: unable to open database file

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "base.py", line 143, in __init__
    self._dbapi_connection = engine.raw_connection()
OSError: cannot reach https://user:word@127.0.0.1/database

ERROR:    Application startup failed. Exiting.
Server stopped!
"""


# `start` leaves the process running on purpose, which Python's `Popen` reports.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_process_is_found_by_its_id_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    background = Background("server", tmp_path)
    background.start(["sleep", "60"], os.environ)
    pid = background.pid()
    assert pid is not None
    try:
        background.start(["sleep", "60"], os.environ)
        assert background.pid() == pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert background.pid() is None


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (SERVER_LOG, "OSError: cannot reach https://127.0.0.1/database"),
        ("Port 4200 is already in use.\n\n", "Port 4200 is already in use."),
        (f"{SERVER_LOG}Process started at 2026-11-29\nKilled\n", "Killed"),
        ("", "no output"),
    ],
)
def test_reason_of_a_stopped_process_is_the_error_in_its_log(log: str, reason: str) -> None:
    assert failure_reason(log) == reason


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_reason_is_not_taken_from_an_earlier_process(tmp_path: Path) -> None:
    background = Background("server", tmp_path)
    for error in ("ValueError: old", "ValueError: new"):
        name, text = error.split(": ")
        background.start([sys.executable, "-c", f"raise {name}({text!r})"], os.environ)
        block_until(lambda: background.pid() is None)
        assert background.failure_reason() == error
    background.start([sys.executable, "-c", "print('Server stopped!')"], os.environ)
    block_until(lambda: background.pid() is None)
    assert background.failure_reason() == "Server stopped!"
