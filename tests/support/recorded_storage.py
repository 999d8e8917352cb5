"""Files of a mirror that record which documents a run reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from stac_asset.mirror.storage.interface import Stamp
from stac_asset.mirror.storage.local import LocalStorage


class RecordedStorage(LocalStorage):
    """A mirror in a local directory.

    Args:
        directory: The directory.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.read_paths: set[str] = set()
        """Paths of the documents that were read."""
        self.written_paths: set[str] = set()
        """Paths of the documents that were written."""

    @property
    def read_shards(self) -> set[str]:
        """File names of the shards that were read."""
        return {path.removeprefix(_SHARDS) for path in self.read_paths if path.startswith(_SHARDS)}

    @property
    def written_state(self) -> set[str]:
        """Paths of the documents in `.mirror` that were written."""
        return {path for path in self.written_paths if path.startswith(".mirror/")}

    def read(self, path: str) -> bytes | None:
        """Record and read a document."""
        self.read_paths.add(path)
        return super().read(path)

    def lines(self, path: str) -> Iterator[bytes]:
        """Record and read the lines of a document."""
        self.read_paths.add(path)
        return super().lines(path)

    def write(self, path: str, data: bytes) -> Stamp:
        """Record and write a document."""
        self.written_paths.add(path)
        return super().write(path, data)

    def write_blocks(self, path: str, blocks: Iterable[bytes]) -> None:
        """Record and write a file."""
        self.written_paths.add(path)
        super().write_blocks(path, blocks)


_SHARDS = ".mirror/index/"
