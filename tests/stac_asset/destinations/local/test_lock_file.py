"""Lock files on file systems without `flock`."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stac_asset import Config, download_file
from stac_asset.destinations import BusyError, Declared, LocalDestination
from stac_asset.destinations.local.documents import new_file, write_document
from stac_asset.destinations.local.lock_file import LockFile
from stac_asset.errors import DestinationError
from stac_asset.testing import Origin
from tests.support.files import entry_names

LOCK = ".a.tif.part.lock"
CODES = (
    *(errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EPERM, errno.EACCES),
    *(errno.EINVAL, errno.EIO, 524),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """Return the descriptor of the temporary folder."""
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def refuse_flock(monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOLCK) -> None:
    """Let the operating system refuse all locks, as file systems without locks do."""

    def flock(fd: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)


def leave_lock(folder: Path, age: float = 0.0, **owner: object) -> None:
    """Write the lock file of another owner."""
    path = folder / LOCK
    path.write_text(json.dumps(owner) if owner else "")
    modified = path.stat().st_mtime - age
    os.utime(path, (modified, modified))


def run_in_folder(folder: Path, code: str) -> subprocess.Popen[bytes]:
    """Start Python code with the descriptor of a folder in another process."""
    start = (
        "import os\n"
        "from stac_asset.destinations.local import lock_file\n"
        "from stac_asset.destinations.local.lock_file import LockFile\n"
        "lock_file._POLL = 0.001\n"
        f"folder = os.open({str(folder)!r}, os.O_RDONLY)\n"
    )
    return subprocess.Popen([sys.executable, "-c", start + code], stdout=subprocess.PIPE)


@pytest.mark.parametrize("code", CODES)
async def test_refused_lock_is_replaced_by_lock_file(
    origin: Origin, tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_flock(monkeypatch, code)
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()):
        assert entry_names(tmp_path) == [".a.tif.part", LOCK]
        with pytest.raises(BusyError):
            async with destination.open_upload("a.tif", "source", Declared()):
                raise AssertionError("two uploads of one file are open")
        await destination.remove_leftovers("a.tif")
        assert entry_names(tmp_path) == [".a.tif.part", LOCK]
    assert entry_names(tmp_path) == []
    await download_file(origin.href("/a.tif?size=9"), tmp_path / "a.tif", config)
    assert entry_names(tmp_path) == ["a.tif"]


def test_second_report_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_flock(monkeypatch)
    path = tmp_path / "report.ndjson"
    with new_file(path, tmp_path), pytest.raises(BusyError), new_file(path, tmp_path):
        raise AssertionError("two writers have the report open")


def test_document_is_written_after_lock_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_flock(monkeypatch)
    path = tmp_path / "item.json"
    with new_file(path, tmp_path) as first:
        writing = threading.Thread(target=write_document, args=(path, b"second", tmp_path))
        writing.start()
        first.append(b"first")
        first.commit()
        assert path.read_bytes() == b"first"
        assert writing.is_alive()
    writing.join(60)
    assert path.read_bytes() == b"second"
    assert entry_names(tmp_path) == ["item.json"]


def test_lock_file_of_ended_process_is_replaced_at_once(tmp_path: Path, folder: int) -> None:
    with run_in_folder(tmp_path, f"LockFile.acquire({LOCK!r}, folder)\nos._exit(0)") as process:
        assert process.wait(60) == 0
    assert entry_names(tmp_path) == [LOCK]
    LockFile.acquire(LOCK, folder).release()
    assert entry_names(tmp_path) == []


def test_lock_file_of_process_that_was_not_waited_for_is_replaced(
    tmp_path: Path, folder: int
) -> None:
    code = f"LockFile.acquire({LOCK!r}, folder)\nprint('held', flush=True)\nos.kill(os.getpid(), 9)"
    with run_in_folder(tmp_path, code) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"held\n"  # Ends at the kill.
        LockFile.acquire(LOCK, folder, wait=True).release()


def test_lock_file_of_reused_process_id_is_replaced(tmp_path: Path, folder: int) -> None:
    held = LockFile.acquire(LOCK, folder)
    owner = json.loads((tmp_path / LOCK).read_text())
    held.release()
    leave_lock(tmp_path, **{**owner, "pid": os.getppid(), "started": "1"})
    LockFile.acquire(LOCK, folder).release()
    leave_lock(tmp_path, **owner)  # Same process, but the lock is not held.
    LockFile.acquire(LOCK, folder).release()


@pytest.mark.parametrize("owner", [{}, {"host": "other", "boot": "other", "pid": 1}, {"pid": "x"}])
def test_lock_file_of_other_machine_is_replaced_without_heartbeat(
    tmp_path: Path, folder: int, owner: dict[str, object]
) -> None:
    leave_lock(tmp_path, age=60, **owner)
    with pytest.raises(BusyError):
        LockFile.acquire(LOCK, folder)
    leave_lock(tmp_path, age=121, **owner)
    LockFile.acquire(LOCK, folder).release()
    assert entry_names(tmp_path) == []


def test_waiting_processes_replace_a_lock_file_one_at_a_time(tmp_path: Path) -> None:
    """Each process reads and increments a number under the lock. Some leave the lock behind."""
    (tmp_path / "number").write_text("0")
    code = f"""
from pathlib import Path
number = Path({str(tmp_path / "number")!r})
for turn in range(15):
    held = LockFile.acquire({LOCK!r}, folder, wait=True)
    number.write_text(str(int(number.read_text()) + 1))
    if turn < 14:
        held.release()
os._exit(0)
"""
    processes = [run_in_folder(tmp_path, code) for _ in range(4)]
    for process in processes:
        with process:
            assert process.wait(60) == 0
    assert (tmp_path / "number").read_text() == "60"


def test_writer_without_lock_file_does_not_complete_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_flock(monkeypatch)
    path = tmp_path / "a.tif"
    with new_file(path, tmp_path) as part:
        part.append(b"bytes")
        leave_lock(tmp_path, host="other")
        with pytest.raises(DestinationError, match="another run took over"):
            part.commit()
    assert entry_names(tmp_path) == [".a.tif.part", LOCK]
