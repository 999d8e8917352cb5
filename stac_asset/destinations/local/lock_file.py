"""Internal: lock files, for file systems without `flock` such as some NFS, SMB and FUSE mounts.

A lock file is created exclusively and names its owner. The owner updates the modification time of
the file every 15 seconds, and removes the file at the end. A lock file that was left behind is
removed in two cases:

- The owner ran on this machine since its last start, and no longer exists.
- The modification time is older than two minutes by the clock of the file system.

Only the holder of a second lock file removes a lock file of another owner, so that two waiting runs
cannot remove each other's new lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from stac_asset.destinations.values import BusyError

_HEARTBEAT = 15.0
"""Seconds between two updates of the modification time of a held lock file."""

_STALE_AFTER = 120.0
"""Age in seconds from which a lock file of another machine counts as left behind."""

_POLL = 0.2
"""Seconds between two attempts to create a lock file."""

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_MAX_SIZE = 4096


@dataclass(frozen=True, slots=True)
class LockFile:
    """A held lock file. Call `release` at the end."""

    name: str
    """Name of the lock file."""

    folder: int
    """Descriptor of the folder of the lock file."""

    token: str
    """Random text that identifies this owner."""

    fd: int
    """Descriptor of the lock file."""

    @classmethod
    def acquire(cls, name: str, folder: int, wait: bool = False) -> Self:
        """Create a lock file.

        Args:
            name: The name of the lock file.
            folder: The descriptor of its folder.
            wait: Whether to block while another owner holds the lock.

        Raises:
            BusyError: Another owner holds the lock, and `wait` is False.
            OSError: The lock file cannot be created.
        """
        while True:
            held = cls._create(name, folder)
            if held is not None:
                return held
            if _is_left_behind(name, folder) and _remove_left_behind(name, folder):
                continue
            if not wait:
                raise BusyError
            time.sleep(_POLL)

    @classmethod
    def _create(cls, name: str, folder: int) -> Self | None:
        token = uuid.uuid4().hex
        owner = json.dumps({**_process(), "token": token}).encode()
        # Registered first: a lock file of this process with an unknown token counts as left behind.
        with _heartbeat_lock:
            _held[token] = -1
        try:
            fd = os.open(name, _NEW, 0o666, dir_fd=folder)
        except BaseException as error:
            with _heartbeat_lock:
                del _held[token]
            if isinstance(error, FileExistsError):
                return None
            raise
        with _heartbeat_lock:
            _held[token] = fd
        held = cls(name, folder, token, fd)
        try:
            os.write(fd, owner)
        except BaseException:
            held.release()
            raise
        _start_heartbeat()
        return held

    def is_held(self) -> bool:
        """Return whether the lock file still names this owner."""
        owner = _read(self.name, self.folder)
        return owner is not None and owner.get("token") == self.token

    def release(self) -> None:
        """Remove the lock file, unless another owner has replaced it."""
        try:
            # An empty file is a lock file whose content could not be written.
            if _read(self.name, self.folder) in (None, {}) or self.is_held():
                with suppress(OSError):
                    os.unlink(self.name, dir_fd=self.folder)
        finally:
            with _heartbeat_lock:  # Otherwise the descriptor could belong to another file.
                _held.pop(self.token, None)
                os.close(self.fd)


_held: dict[str, int] = {}
"""Descriptors of the lock files of this process by token; -1 while the file is created."""

_heartbeat_lock = threading.Lock()
_heartbeat: threading.Thread | None = None


def _start_heartbeat() -> None:
    global _heartbeat
    with _heartbeat_lock:
        if _heartbeat is None or not _heartbeat.is_alive():
            _heartbeat = threading.Thread(target=_beat, name="stac-asset-locks", daemon=True)
            _heartbeat.start()


def _beat() -> None:
    while True:
        time.sleep(_HEARTBEAT)
        with _heartbeat_lock:
            for fd in _held.values():
                if fd >= 0:
                    with suppress(OSError):
                        os.utime(fd)


def _is_left_behind(name: str, folder: int) -> bool:
    owner = _read(name, folder)
    if owner is None:
        return False  # The file was removed meanwhile, or cannot be read.
    here = _process()
    same_machine = here["boot"] and all(
        owner.get(key) == here[key] for key in ("host", "boot", "namespace")
    )
    if same_machine and isinstance(owner.get("pid"), int):
        return not _is_alive(owner)
    return _age(name, folder) > _STALE_AFTER


def _is_alive(owner: dict[str, Any]) -> bool:
    pid, here = owner["pid"], _process()
    if pid == here["pid"] and owner.get("started") == here["started"]:
        return owner.get("token") in _held
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError, ValueError):
        return True
    # Another process may have the same id after a restart of a container or after many processes.
    state, started = _state_of(pid)
    return state not in ("Z", "X") and started in (None, owner.get("started"))


def _age(name: str, folder: int) -> float:
    """Return the age of a file in seconds by the clock of its file system."""
    probe = f".{uuid.uuid4().hex}.part.lock"
    try:
        modified = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
        fd = os.open(probe, _NEW, 0o666, dir_fd=folder)
    except OSError:
        return 0.0
    try:
        return os.fstat(fd).st_mtime - modified
    finally:
        os.close(fd)
        with suppress(OSError):
            os.unlink(probe, dir_fd=folder)


def _remove_left_behind(name: str, folder: int) -> bool:
    """Remove the lock file of a killed run. Return False while another run does so."""
    guard = f".{hashlib.sha256(os.fsencode(name)).hexdigest()}.part.lock"
    held = LockFile._create(guard, folder)
    if held is None:
        if _is_left_behind(guard, folder):
            with suppress(FileNotFoundError):
                os.unlink(guard, dir_fd=folder)
        return False
    try:
        if _is_left_behind(name, folder):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    finally:
        held.release()
    return True


def _read(name: str, folder: int) -> dict[str, Any] | None:
    """Return the owner in a lock file; empty if the content is not valid, None if missing."""
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return None
    try:
        owner = json.loads(os.read(fd, _MAX_SIZE))
    except (OSError, ValueError):
        return {}
    finally:
        os.close(fd)
    return owner if isinstance(owner, dict) else {}


def _process() -> dict[str, Any]:
    return _process_of(os.getpid())


@cache
def _process_of(pid: int) -> dict[str, Any]:
    """Return the identity of this process: machine, start of the machine, and process."""
    boot = namespace = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    return {
        "host": socket.gethostname(),
        "boot": boot,
        "namespace": namespace,
        "pid": pid,
        "started": _state_of(pid)[1],
    }


def _state_of(pid: int) -> tuple[str | None, str | None]:
    """Return the state of a process, and the start in ticks since the machine started."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None, None
    # The name in parentheses may contain spaces: https://man7.org/linux/man-pages/man5/proc.5.html
    fields = stat.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else (None, None)
