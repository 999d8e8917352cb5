"""Errors of the operating system as errors of the destination."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stac_asset.errors import DestinationError, UnsafePathError


@contextmanager
def map_os_errors(path: str) -> Iterator[None]:
    """Raise `DestinationError` or `UnsafePathError` for the errors of writing a file.

    Args:
        path: The file, for the message.

    Raises:
        DestinationError: The file cannot be written.
        UnsafePathError: The path contains characters that no file name can have.
    """
    try:
        yield
    except (DestinationError, UnsafePathError):
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DestinationError(f"cannot write {path}: {reason}") from error
    except ValueError as error:
        raise UnsafePathError(f"the path {path!r} cannot name a file") from error
