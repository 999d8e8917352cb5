"""TODO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.reporting.report_file import OutputFile
from stac_asset.rewrite.serialize import json_bytes


class ItemsFile(OutputFile):
    """A JSON item collection that is written item by item, in the order of their numbers."""

    def __init__(self, path: Path, directory: Path) -> None:
        super().__init__(path, directory)
        self._early: dict[int, bytes] = {}
        self._next = 0

    def add(self, number: int, item: dict[str, Any]) -> None:
        """Writes an item, or keeps it until those before it have come.

        Args:
            number: Its place in the collection, from 0.
            item: Its document.
        """
        self._early[number] = json_bytes(item, indent=None)
        while self._next in self._early:
            start = b",\n" if self._next else b'{"type": "FeatureCollection", "features": [\n'
            self.write(start + self._early.pop(self._next))
            self._next += 1

    def finish(self) -> None:
        """Gives the file its name."""
        start = b"" if self._next else b'{"type": "FeatureCollection", "features": ['
        self.write(start + b"\n]}\n")
        self.commit()
