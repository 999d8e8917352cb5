"""A generated catalog with known content, and the verification of downloads of this catalog."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac

from stac_asset.destinations.part_names import part_paths
from stac_asset.testing import content_iter

DOCUMENT = "item-collection.json"
"""The name of the rewritten document."""


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset, and the expected file."""

    item: str
    """Id of the item."""
    key: str
    """Key of the asset in the item."""
    size: int
    """Size in bytes."""
    described: bool
    """Whether the item declares size and checksum."""

    @property
    def path(self) -> str:
        """Path on the origin, and path of the file relative to the directory."""
        return f"/{self.item}/{self.key}.tif"

    def file(self, directory: Path) -> Path:
        """Return the path of the downloaded file.

        Args:
            directory: The destination of the download.
        """
        return directory / self.path.removeprefix("/")

    def digest(self) -> str:
        """Return the expected SHA-256 of the file, in hexadecimal."""
        digest = hashlib.sha256()
        for block in content_iter(self.path, self.size):
            digest.update(block)
        return digest.hexdigest()

    def is_whole(self, directory: Path) -> bool:
        """Return whether the file exists and has the expected SHA-256.

        Args:
            directory: The destination of the download.
        """
        try:
            with self.file(directory).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.digest()
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Catalog:
    """An item collection with assets that an origin serves."""

    assets: tuple[Asset, ...]

    @classmethod
    def drawn(cls, items: int, assets: int, smallest: int, largest: int, seed: int = 0) -> Catalog:
        """Return a catalog with sizes from a logarithmic distribution: many small, few large.

        Args:
            items: Number of items.
            assets: Number of assets of each item. Every second asset declares size and checksum.
            smallest: Minimum size of an asset in bytes.
            largest: Maximum size of an asset in bytes.
            seed: Seed of the random sizes.
        """
        chance = random.Random(seed)
        low, high = math.log(smallest), math.log(largest)
        return cls(
            tuple(
                Asset(
                    item=f"item-{item:03}",
                    key=f"band-{asset:03}",
                    size=round(math.exp(chance.uniform(low, high))),
                    described=asset % 2 == 0,
                )
                for item in range(items)
                for asset in range(assets)
            )
        )

    @property
    def size(self) -> int:
        """Total size of all assets in bytes."""
        return sum(asset.size for asset in self.assets)

    def document(self, href: Callable[[str], str]) -> dict[str, Any]:
        """Return the item collection.

        Args:
            href: Returns the href of a path and query on the origin.
        """
        items: dict[str, dict[str, Any]] = {}
        for asset in self.assets:
            item = items.setdefault(
                asset.item,
                {
                    "type": "Feature",
                    "stac_version": "1.1.0",
                    "stac_extensions": [],
                    "id": asset.item,
                    "geometry": None,
                    "properties": {"datetime": "2026-06-01T00:00:00Z"},
                    "links": [],
                    "assets": {},
                },
            )
            fields: dict[str, Any] = {"href": href(f"{asset.path}?size={asset.size}")}
            if asset.described:
                fields |= {"file:size": asset.size, "file:checksum": f"1220{asset.digest()}"}
            item["assets"][asset.key] = fields
        return {"type": "FeatureCollection", "features": list(items.values())}

    def wrong(self, directory: Path) -> list[str]:
        """Return the files that are missing or have other content.

        Args:
            directory: The destination of the download.
        """
        return [asset.path for asset in self.assets if not asset.is_whole(directory)]

    def leftovers(self, directory: Path) -> list[str]:
        """Return unexpected files, such as part files.

        Args:
            directory: The destination of the download.
        """
        expected = {os.fspath(asset.file(directory)) for asset in self.assets}
        expected.add(os.fspath(directory / DOCUMENT))
        found = (file for file in directory.rglob("*") if not file.is_dir())
        return sorted(os.fspath(file) for file in found if os.fspath(file) not in expected)

    def document_errors(self, directory: Path) -> Iterator[str]:
        """Yield the errors of the rewritten document.

        Args:
            directory: The destination of the download.
        """
        try:
            written = json.loads((directory / DOCUMENT).read_bytes())
            items = list(pystac.ItemCollection.from_dict(written))
            for item in items:
                item.validate()
        except (OSError, ValueError, KeyError, pystac.STACError) as error:
            yield f"{DOCUMENT}: {type(error).__name__}: {error}"
            return
        hrefs = {(item.id, key): value.href for item in items for key, value in item.assets.items()}
        for asset in self.assets:
            href = hrefs.pop((asset.item, asset.key), None)
            path = os.path.normpath(os.path.join(directory, href or ""))
            if path != os.fspath(asset.file(directory)):
                yield f"{DOCUMENT}: {asset.path} has the href {href}"
        for owner, key in hrefs:
            yield f"{DOCUMENT}: unexpected asset {owner}/{key}"


@dataclass(frozen=True, slots=True)
class Found:
    """The files on disk after a killed run."""

    finished: frozenset[str]
    """Paths of the assets with a complete file."""
    received: int
    """Number of bytes in files and part files."""
    parts: int
    """Number of part files."""
    unnamed: int
    """Number of complete part files: the run was killed before the rename."""
    stale: int
    """Number of resume notes of complete files: the run was killed after the rename."""

    @classmethod
    def of(cls, catalog: Catalog, directory: Path) -> Found:
        """Return the state of the files of all assets.

        Args:
            catalog: The catalog.
            directory: The destination of the download.
        """
        finished: set[str] = set()
        received = parts = unnamed = stale = 0
        for asset in catalog.assets:
            part, note = part_paths(asset.file(directory))
            if asset.file(directory).exists():
                finished.add(asset.path)
                received += asset.size
                stale += note.exists()
            elif part.exists():
                size = part.stat().st_size
                received += size
                parts += 1
                unnamed += size == asset.size
        return cls(frozenset(finished), received, parts, unnamed, stale)
