"""The files to download, the documents, and the verification of a download."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import BenchError

_BLOCK = 4 * 1024 * 1024
_PER_ITEM = 10


@dataclass(frozen=True, slots=True)
class Work:
    """Files of the same size with different content, as assets of items."""

    folder: Path
    """The folder. The files of an item are in a subfolder named after the item id."""

    names: tuple[str, ...]
    """Paths of the files, relative to the folder."""

    size: int
    """Size of each file in bytes."""

    @classmethod
    def made(cls, folder: Path, count: int, size: int) -> Work:
        """Create the files.

        Args:
            folder: The folder.
            count: Number of files.
            size: Size of each file in bytes.
        """
        names = tuple(f"item-{n // _PER_ITEM:05}/{n % _PER_ITEM:02}.tif" for n in range(count))
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                left = size
                while left:
                    left -= file.write(os.urandom(min(left, _BLOCK)))
        return cls(folder, names, size)

    def document(self, base: str, path: Path, checksums: bool = False) -> Path:
        """Write the item collection of the files.

        Args:
            base: URL of the folder, without a trailing slash.
            path: Path of the document.
            checksums: Whether assets declare size and checksum.

        Returns:
            The path of the document.
        """
        path.write_text(json.dumps(item_collection(self._assets(base, checksums))))
        return path

    def _assets(self, base: str, checksums: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in self.names:
            fields: dict[str, Any] = {"href": f"{base}/{name}", "type": "image/tiff"}
            if checksums:
                with (self.folder / name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                fields |= {"file:size": self.size, "file:checksum": f"1220{digest}"}
            yield name.partition("/")[0], fields

    def pairs(self, base: str, path: Path) -> Path:
        """Write a list with a line per file: the URL, a tab, and the relative path.

        Args:
            base: URL of the folder, without a trailing slash.
            path: Path of the list.

        Returns:
            The path of the list.
        """
        path.write_text("".join(f"{base}/{name}\t{name}\n" for name in self.names))
        return path

    def check(self, directory: Path) -> None:
        """Compare the downloaded files with the originals, byte by byte.

        Args:
            directory: The destination of the download.

        Raises:
            BenchError: A file is missing or has other bytes.
        """
        for name in self.names:
            if not _same(self.folder / name, directory / name):
                raise BenchError(f"{directory / name} is missing or differs from the original")


def item_collection(assets: Iterator[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return an item collection.

    Args:
        assets: Pairs of an item id and the fields of an asset.
    """
    items: dict[str, dict[str, Any]] = {}
    for owner, fields in assets:
        item = items.setdefault(
            owner,
            {
                "type": "Feature",
                "stac_version": "1.1.0",
                "stac_extensions": [],
                "id": owner,
                "geometry": None,
                "properties": {"datetime": "2026-06-01T00:00:00Z"},
                "links": [],
                "assets": {},
            },
        )
        item["assets"][f"band-{len(item['assets']):02}"] = fields
    return {"type": "FeatureCollection", "features": list(items.values())}


def _same(one: Path, other: Path) -> bool:
    try:
        with one.open("rb") as first, other.open("rb") as second:
            while True:
                block = first.read(_BLOCK)
                if block != second.read(_BLOCK):
                    return False
                if not block:
                    return True
    except OSError:
        return False
