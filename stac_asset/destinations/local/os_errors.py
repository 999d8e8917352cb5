"""Maps errors of the operating system to errors of this package, for the local destination."""

from __future__ import annotations

from types import TracebackType

from stac_asset.errors import DestinationError, UnsafePathError


class map_os_errors:
    """Raise `DestinationError` or `UnsafePathError` for the errors of writing a file.

    This is a class because each file needs several of these contexts, and a generator would take
    three times as long.

    Args:
        path: The file, for the message.

    Raises:
        DestinationError: The file cannot be written.
        UnsafePathError: The path contains characters that no file name can have.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, DestinationError | UnsafePathError):
            return
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise DestinationError(f"cannot write {self._path}: {reason}") from error
        if isinstance(error, ValueError):
            raise UnsafePathError(
                f"cannot write {self._path!r}: the path contains characters that no file name can "
                "have. Choose another path."
            ) from error
