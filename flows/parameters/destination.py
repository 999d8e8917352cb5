"""The directory of a run: one that is of no use is refused at once, not after the first tasks."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISDIR

from stac_asset import Config
from stac_asset.errors import DestinationError

_EFFECTIVE = os.access in os.supports_effective_ids


def checked_directory(directory: str, config: Config) -> Path:
    """Returns the directory of a run, of which there is nothing to say against. Makes nothing.

    Args:
        directory: The flow's parameter.
        config: Whether it may be made.

    Raises:
        DestinationError: It cannot be made, or must not, or nothing can be written to it.
    """
    try:
        path = Path(directory).absolute()
        place = _existing(path)
    except (OSError, ValueError) as error:  # A null byte is a ValueError.
        raise _refusal(directory, "made", error) from None
    if place != path and not config.make_directory:
        raise DestinationError(
            f"the directory {path} does not exist: make it, or set make_directory=True"
        )
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        raise _refusal(directory, "made" if place != path else "written to", _denied())
    return path


def make_directory(path: Path) -> None:
    """Makes the directory of a run, which alone tells that it can be made.

    Args:
        path: The directory.

    Raises:
        DestinationError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(str(path), "made", error) from None


def _existing(path: Path) -> Path:
    """Returns a directory, or the nearest one above it that exists."""
    for place in (path, *path.parents):
        try:
            if S_ISDIR(place.stat().st_mode):
                return place
        except FileNotFoundError:
            if not place.is_symlink():  # One that leads nowhere is in the way.
                continue
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return path


def _denied() -> OSError:
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _refusal(directory: str, verb: str, error: OSError | ValueError) -> DestinationError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return DestinationError(f"directory {directory!r} cannot be {verb}: {reason}")
