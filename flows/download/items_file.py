"""Write the item collection of a run, item by item."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_stac_asset.flows.reporting.report_file import open_output
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.rewrite.serialize import json_bytes


@dataclass(slots=True)
class ItemsFile:
    """A JSON item collection that is written in the order of item numbers.

    Items can be added in any order. Created by `open_items_file`.
    """

    path: Path
    """The absolute path of the item collection."""

    file: PartFile
    """The open file."""

    _early: dict[int, bytes | None] = field(default_factory=dict)
    _next: int = 0
    _written: int = 0

    def add(self, number: int, item: dict[str, Any] | None) -> None:
        """Write an item as soon as all preceding items are written.

        Args:
            number: The position of the item in the collection, from 0.
            item: The document of the item. None writes no item at this position.
        """
        self._early[number] = json_bytes(item, indent=None) if item is not None else None
        while self._next in self._early:
            data = self._early.pop(self._next)
            self._next += 1
            if data is not None:
                first = b'{"type": "FeatureCollection", "features": [\n'
                self.file.append((b",\n" if self._written else first) + data)
                self._written += 1

    def finish(self) -> None:
        """Write the end of the collection, and replace the previous file."""
        start = b"" if self._written else b'{"type": "FeatureCollection", "features": ['
        self.file.append(start + b"\n]}\n")
        self.file.commit()


@contextmanager
def open_items_file(path: Path, directory: Path) -> Iterator[ItemsFile]:
    """Open an item collection for writing. Without `finish`, the previous file stays.

    Args:
        path: The absolute path of the item collection.
        directory: The directory that contains the file. Symbolic links cannot lead outside.

    Raises:
        DestinationError: Another run is writing the file, or it cannot be created.
    """
    with open_output(path, directory) as file:
        yield ItemsFile(path, file)
