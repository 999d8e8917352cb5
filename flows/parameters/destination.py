"""Check the `directory` of a flow before any task run."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISDIR

from stac_asset import Config
from stac_asset.errors import DestinationError

_EFFECTIVE = os.access in os.supports_effective_ids
"""Whether `os.access` can check the effective instead of the real user and group."""


def checked_directory(directory: str, config: Config) -> Path:
    """Return the absolute path of a directory that exists or can be created.

    The directory is not created.

    Args:
        directory: The parameter `directory` of a flow.
        config: The configuration. Only `make_directory` is used.

    Raises:
        DestinationError: The directory cannot be created or written to, or it does not exist and
            `make_directory` is False.
    """
    try:
        path = Path(directory).absolute()
        existing = _existing(path)
    except (OSError, ValueError) as error:  # A null byte is a ValueError.
        raise _directory_error(directory, "create", error) from None
    if existing != path and not config.make_directory:
        raise DestinationError(
            f"Directory '{path}' does not exist. Create it or set `make_directory=True`."
        )
    if not os.access(existing, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise _directory_error(directory, "create" if existing != path else "write to", _denied())
    return path


def make_directory(path: Path) -> None:
    """Create the directory of a run.

    `checked_directory` does not detect every error, so the creation can still fail.

    Args:
        path: The directory.

    Raises:
        DestinationError: The directory cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _directory_error(str(path), "create", error) from None


def _existing(path: Path) -> Path:
    """Return a directory, or the nearest existing parent directory.

    Raises:
        OSError: The path, or one of its parents, is not a directory or cannot be read.
    """
    for existing in (path, *path.parents):
        try:
            if S_ISDIR(existing.stat().st_mode):
                return existing
        except FileNotFoundError:
            if not existing.is_symlink():  # A broken symlink cannot be replaced by a directory.
                continue
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return path


def _denied() -> OSError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _directory_error(directory: str, verb: str, error: OSError | ValueError) -> DestinationError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return DestinationError(
        f"Cannot {verb} directory {directory!r}: {reason}. Set `directory` to another path."
    )
