"""Write the item collection of a run, item by item."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location
from stac_asset.destinations.output import Output, open_output
from stac_asset.rewrite.serialize import json_bytes


@dataclass(slots=True)
class ItemsFile:
    """A JSON item collection that is written in the order of item numbers.

    Items can be added in any order. Created by `open_items_file`.
    """

    path: Location
    """The absolute location of the item collection."""

    file: Output
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

    async def finish(self) -> None:
        """Write the end of the collection, and replace the previous file.

        Raises:
            DestinationError: The file cannot be completed.
        """
        start = b"" if self._written else b'{"type": "FeatureCollection", "features": ['
        self.file.append(start + b"\n]}\n")
        await self.file.commit()


@asynccontextmanager
async def open_items_file(
    path: Location, directory: Location, destinations: Destinations
) -> AsyncIterator[ItemsFile]:
    """Open an item collection for writing. Without `finish`, the previous file stays.

    Args:
        path: The absolute location of the item collection.
        directory: The directory of the run, which contains the file.
        destinations: The destinations of the run.

    Raises:
        DestinationError: Another run is writing the file, or it cannot be created.
    """
    async with open_output(path, directory, destinations) as file:
        yield ItemsFile(path, file)
