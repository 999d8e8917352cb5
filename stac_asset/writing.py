"""Maps what the system refuses, where a file is written, to errors of ours."""

from __future__ import annotations

from types import TracebackType

from stac_asset.errors import DestinationError, UnsafePathError


class Writing:
    """A context manager inside of which a file is written; it can be used again and again.

    Args:
        path: The file, as it was asked for.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing is to be prepared."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, DestinationError):
            reason = error.strerror or type(error).__name__
            raise DestinationError(f"cannot write {self._path}: {reason}") from error
        if isinstance(error, ValueError) and not isinstance(error, UnsafePathError):
            raise UnsafePathError(f"the path {self._path!r} cannot name a file") from error
