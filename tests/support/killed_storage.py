"""Files of a mirror whose run is killed before a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.local import LocalStorage


class KilledError(BaseException):
    """Ends a run like a kill of the process: no handler of exceptions runs."""


class KilledStorage(LocalStorage):
    """A mirror in a local directory.

    Args:
        directory: The directory.
        is_end: Called before each change, with the path of the file or folder. The run is killed if
            the result is true.
    """

    def __init__(self, directory: Path, is_end: Callable[[str], bool]) -> None:
        super().__init__(directory)
        self._is_end = is_end

    def write(self, path: str, data: bytes) -> Stamp:
        """Write a document, unless the run is killed."""
        self._check(path)
        return super().write(path, data)

    def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Write a file, unless the run is killed."""
        self._check(path)
        super().write_blocks(path, blocks)

    def remove(self, folder: str, names: Iterable[str], interrupted: Iterable[str] = ()) -> None:
        """Remove files, unless the run is killed."""
        self._check(folder)
        super().remove(folder, names, interrupted)

    def _check(self, path: str) -> None:
        if self._is_end(path):
            raise KilledError
