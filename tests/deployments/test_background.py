"""Background processes of `make up` on file systems without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path

import pytest

from prefect_stac_asset.deployments.background import Background


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
