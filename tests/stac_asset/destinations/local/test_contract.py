"""The contract of destinations, on the local file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from stac_asset.destinations import Destination, LocalDestination
from stac_asset.testing import DestinationContract


class TestLocalDestination(DestinationContract):
    part_size = 64 * 1024

    @pytest.fixture(autouse=True)
    def _set_root(self, tmp_path: Path) -> None:
        self.root = tmp_path / "destination"

    async def make_destination(self) -> Destination:
        return LocalDestination(self.root)

    async def content(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.exists() else None

    async def has_leftovers(self) -> bool:
        names = [path.name for path in self.root.rglob("*") if path.is_file()]
        return any(name.startswith(".") for name in names)

    def location_of(self, key: str) -> str:
        return str(self.root / key)

    def invalid_locations(self) -> list[str]:
        return [
            str(self.root),
            f"{self.root}/",
            f"{self.root}/folder/",
            f"{self.root}-2/file.bin",
            str(self.root / ".." / "file.bin"),
            str(self.root / "item" / ".." / ".." / "file.bin"),
            "/file.bin",
            "file.bin",
        ]
