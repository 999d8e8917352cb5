"""A catalog of which every byte is known: its document, and the check of what was downloaded."""

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

from stac_asset.destinations.local.part_names import part_paths
from stac_asset.testing import content_iter

DOCUMENT = "item-collection.json"
"""The name of the rewritten document."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset, and what it has to become."""

    item: str
    """The id of its item."""
    key: str
    """Its key."""
    size: int
    """Bytes."""
    described: bool
    """Whether its item says size and checksum."""

    @property
    def path(self) -> str:
        """Its path on the origin, which is also that of its file below the directory."""
        return f"/{self.item}/{self.key}.tif"

    def file(self, directory: Path) -> Path:
        """Returns the path of its file."""
        return directory / self.path.removeprefix("/")

    def digest(self) -> str:
        """Returns the SHA-256 that its file must have, in hexadecimal."""
        digest = hashlib.sha256()
        for block in content_iter(self.path, self.size):
            digest.update(block)
        return digest.hexdigest()

    def is_whole(self, directory: Path) -> bool:
        """Returns whether its file is there and has the right SHA-256."""
        try:
            with self.file(directory).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.digest()
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Catalog:
    """An item collection whose assets an origin serves."""

    assets: tuple[Asset, ...]

    @classmethod
    def drawn(cls, items: int, assets: int, smallest: int, largest: int, seed: int = 0) -> Catalog:
        """Returns a catalog with sizes from a logarithmic distribution: many small, few large.

        Args:
            items: The number of items.
            assets: The number of assets of each of them. Every second one says its size and
                checksum.
            smallest: Bytes.
            largest: Bytes.
            seed: Another seed draws other sizes.
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
        """Bytes of all assets."""
        return sum(asset.size for asset in self.assets)

    def document(self, href: Callable[[str], str]) -> dict[str, Any]:
        """Returns the item collection.

        Args:
            href: Makes the href of a path, with a query, on the origin.
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
        """Returns the files that are missing or have not the right bytes."""
        return [asset.path for asset in self.assets if not asset.is_whole(directory)]

    def leftovers(self, directory: Path) -> list[str]:
        """Returns the files below a directory that should not be there."""
        expected = {os.fspath(asset.file(directory)) for asset in self.assets}
        expected.add(os.fspath(directory / DOCUMENT))
        found = (file for file in directory.rglob("*") if not file.is_dir())
        return sorted(os.fspath(file) for file in found if os.fspath(file) not in expected)

    def document_errors(self, directory: Path) -> Iterator[str]:
        """Yields what is wrong with the rewritten document; nothing, if it is valid."""
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
            if href != os.fspath(asset.file(directory)):
                yield f"{DOCUMENT}: {asset.path} is at {href}"
        for owner, key in hrefs:
            yield f"{DOCUMENT}: nobody asked for {owner}/{key}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a killed run has left on the disk."""

    finished: frozenset[str]
    """The paths of the assets whose file has its final name."""
    received: int
    """Bytes in files and in part files."""
    parts: int
    """Part files."""
    unnamed: int
    """Part files that have all their bytes: the run was killed before the rename."""
    stale: int
    """Notes beside finished files: the run was killed after the rename."""

    @classmethod
    def of(cls, catalog: Catalog, directory: Path) -> Found:
        """Looks at the files of all assets."""
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
