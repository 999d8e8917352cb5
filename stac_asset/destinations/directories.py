"""Internal: parse and check the directory parameter of a run before the first request.

The public functions, the command line and the flows use `directory_path`. `check_directory` reports
a directory that cannot be created or written to. No file is created.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from stac_asset.errors import DestinationError
from stac_asset.hrefs import local_path

_EFFECTIVE = os.access in os.supports_effective_ids
"""Whether `os.access` can check the effective instead of the real user and group."""

_MAX_SHOWN = 200
"""Maximum length of a path in an error, in characters."""


def directory_path(given: os.PathLike[Any] | str, parameter: str = "directory") -> Path:
    """Return the absolute path that a user wrote.

    `~` and `~user` at the start are replaced by the home directory. A `file:` URL becomes a path.

    Args:
        given: The path as the user wrote it.
        parameter: The name of the parameter, for errors.

    Raises:
        DestinationError: The path is empty, or is no path on this machine.
    """
    if not isinstance(given, str | os.PathLike):
        raise DestinationError(
            f"`{parameter}` must be a path, not {type(given).__name__}. Pass a string or a `Path`."
        )
    text = os.fsdecode(given)
    if not text.strip():
        raise DestinationError(
            f"`{parameter}` is empty. Set `{parameter}` to a path, such as '.' for the working "
            "directory."
        )
    if text.lower().startswith("file:"):
        text = str(local_path(text))
    elif isinstance(given, str) and "://" in text:
        raise DestinationError(
            f"`{parameter}` {text.partition('://')[0] + '://…'!r} is a URL, but files are written "
            f"to this machine only. Set `{parameter}` to a local path."
        )
    if text.startswith("~"):
        try:
            text = str(Path(text).expanduser())
        except RuntimeError:
            raise DestinationError(
                f"`{parameter}` {text[:_MAX_SHOWN]!r} names a user without a home directory. Set "
                f"`{parameter}` to './{text[:_MAX_SHOWN]}' for a name that starts with '~'."
            ) from None
    return Path(text).absolute()


def check_directory(
    path: Path, make_directory: bool, shown: str | None = None, parameter: str = "directory"
) -> None:
    """Check that a directory exists or can be created, and can be written to.

    Args:
        path: The absolute path of the directory.
        make_directory: Whether the directory may be created.
        shown: The path in errors. By default, the absolute path.
        parameter: The name of the parameter, for errors.

    Raises:
        DestinationError: The directory cannot be created or written to, or it does not exist and
            `make_directory` is False.
    """
    named = shown if shown is not None else str(path)
    try:
        existing = _existing(path)
    except (OSError, ValueError) as error:  # A null byte is a ValueError.
        raise directory_error(named, "create", error, parameter) from None
    if existing != path and not make_directory:
        raise DestinationError(
            f"Directory '{path}' does not exist. Create it or set `make_directory=True`."
        )
    if not os.access(existing, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        verb = "create" if existing != path else "write to"
        raise directory_error(named, verb, denied, parameter)


def directory_error(
    directory: str, verb: str, error: OSError | ValueError, parameter: str = "directory"
) -> DestinationError:
    """Return the error for a directory that cannot be used.

    Args:
        directory: The directory, as shown to the user.
        verb: The failed action, such as "create".
        error: The reason.
        parameter: The name of the parameter.
    """
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return DestinationError(
        f"Cannot {verb} directory {directory!r}: {reason}. Set `{parameter}` to another path."
    )


def existing_parent(path: Path) -> Path:
    """Return the nearest existing path: the path, or one of its parent directories.

    Args:
        path: An absolute path.
    """
    while not os.path.exists(path) and path != path.parent:  # False for names that are too long.
        path = path.parent
    return path


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
