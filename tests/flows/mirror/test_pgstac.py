"""Ten nights of a mirror of stac-fastapi-pgstac, with random changes, failures and kills.

After each night, a program that does not import the project compares the mirror with the API.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions, Search
from stac_asset.testing import Origin, Stall
from tests.support.paths import ROOT
from tests.support.pgstac import PgstacServer, pgstac_server
from tests.support.prefect_environment import PREPARED_PYTHON
from tests.support.processes import wait_until

COLLECTION = "scenes"
NIGHTS = 10
KILLED_NIGHTS = (1, 4, 7)
FAILING_NIGHTS = (2, 5, 8)
PAGE_SIZE = 30
SEARCH = Search(collections=[COLLECTION], page_size=PAGE_SIZE)
OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)
PROGRAM = f"""
import asyncio, os, sys
print(os.getpid(), flush=True)
from prefect_stac_asset import flows
source, directory, collection = sys.argv[1:]
options = flows.DownloadOptions(max_concurrent_downloads=4, http_read_timeout=600)
search = flows.Search(collections=[collection], page_size={PAGE_SIZE})
asyncio.run(flows.sync(source, directory, search, options, on_removed="delete"))
"""


@dataclass
class Archive:
    """An archive whose items change at random.

    Args:
        api: The API with the items.
        origin: The server of the assets.
        random: The source of random numbers.
    """

    api: PgstacServer
    origin: Origin
    random: random.Random
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    _count: int = 0
    _fresh: list[str] = field(default_factory=list)
    """Assets with a new href since the last call of `change`, as `item/key`."""

    def create(self) -> None:
        """Create the collection, with more items than a page of a search."""
        extent = {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2026-01-01T00:00:00Z", None]]},
        }
        collection = {"type": "Collection", "id": COLLECTION, "stac_version": "1.0.0"}
        collection |= {"description": "Scenes", "license": "other", "extent": extent, "links": []}
        self.api.call("POST", "/collections", collection)
        self._add(PAGE_SIZE + 10)

    def change(self) -> None:
        """Change the archive as a day does: add, replace, correct and remove items."""
        self._fresh.clear()
        self._add(self.random.randint(5, 12))
        for name in self._sample(12):
            item = self.items[name]
            match self.random.choice(["file", "asset", "properties", "footprint"]):
                case "file":
                    key = self.random.choice(sorted(item["assets"]))
                    item["assets"][key] = self._asset(name, key)
                case "asset":
                    item["assets"] = {
                        key: self._asset(name, key)
                        for key in self.random.sample(["red", "nir", "scl"], 2)
                    }
                case "properties":
                    item["properties"]["eo:cloud_cover"] = self.random.randint(0, 100)
                case "footprint":
                    self._move(item)
            self.api.call("PUT", f"/collections/{COLLECTION}/items/{name}", item)
        for name in self._sample(7):
            del self.items[name]
            self.api.call("DELETE", f"/collections/{COLLECTION}/items/{name}")

    def break_assets(self) -> list[str]:
        """Let the source answer 404 for some new assets, and return their names as `item/key`."""
        present = [
            name
            for name in self._fresh
            if name.partition("/")[2]
            in self.items.get(name.partition("/")[0], {}).get("assets", {})
        ]
        names = self.random.sample(sorted(set(present)), 4)
        for name in names:
            self.origin.remove(self._path(name))
        return names

    def heal(self, broken: list[str]) -> None:
        """Let the source serve the assets again.

        Args:
            broken: The result of `break_assets`.
        """
        for name in broken:
            self.origin.put(self._path(name), size=200)

    def _path(self, name: str) -> str:
        item, _, key = name.partition("/")
        href: str = self.items[item]["assets"][key]["href"]
        return href.removeprefix(self.origin.url)

    def _add(self, count: int) -> None:
        new = []
        for _ in range(count):
            name = f"scene-{self._count:05}"
            item = {"type": "Feature", "stac_version": "1.0.0", "id": name}
            item |= {"collection": COLLECTION, "links": [], "assets": {}}
            item["properties"] = {"datetime": f"2026-06-{1 + self._count % 28:02}T00:00:00Z"}
            item["assets"] = {"red": self._asset(name, "red")}
            self._move(item)
            self.items[name] = item
            new.append(item)
        features = {"type": "FeatureCollection", "features": new}
        self.api.call("POST", f"/collections/{COLLECTION}/items", features)

    def _move(self, item: dict[str, Any]) -> None:
        x, y = self.random.randint(-170, 170), self.random.randint(-80, 80)
        item |= {"geometry": {"type": "Point", "coordinates": [x, y]}, "bbox": [x, y, x, y]}

    def _asset(self, name: str, key: str) -> dict[str, Any]:
        """Return an asset with a new href, and so with new bytes."""
        self._count += 1
        path = f"/{name}/{key}-{self._count}.tif"
        self.origin.put(path, size=200)
        self._fresh.append(f"{name}/{key}")
        return {"href": self.origin.href(path), "type": "image/tiff; application=geotiff"}

    def _sample(self, count: int) -> list[str]:
        return self.random.sample(sorted(self.items), count)


@pytest.fixture
def origin() -> Any:
    """Origin of the assets."""
    with Origin(strict=True) as running:
        yield running


async def test_ten_nights_with_random_changes(origin: Origin, tmp_path: Path) -> None:
    directory = tmp_path / "mirror"
    with pgstac_server(tmp_path) as api:
        archive = Archive(api, origin, random.Random(20260601))
        archive.create()
        for night in range(NIGHTS):
            if night:
                archive.change()
            if night in KILLED_NIGHTS or night == 0:
                await _kill_run(api, archive, directory, tmp_path / "log")
                assert api.check(COLLECTION, directory, running=True) == [], night
                # Changes between the killed run and the next one.
                archive.change()
            broken = archive.break_assets() if night in FAILING_NIGHTS else []
            state = await _sync(api, directory)
            assert state.is_failed() if broken else state.is_completed(), (night, state.message)
            assert api.check(COLLECTION, directory, failing=broken) == [], night
            if broken:
                archive.heal(broken)
                archive.change()
                assert (await _sync(api, directory)).is_completed()
                assert api.check(COLLECTION, directory) == [], night
        assert (await _sync(api, directory)).name == "NothingNew"


async def _sync(api: PgstacServer, directory: Path) -> Any:
    return await flows.sync(
        api.href, str(directory), SEARCH, OPTIONS, on_removed="delete", return_state=True
    )


async def _kill_run(api: PgstacServer, archive: Archive, directory: Path, log: Path) -> None:
    """Kill a run of the flow while downloads are in progress."""
    archive.origin.forget()
    for name in archive.items:
        if archive.random.random() < 0.5:
            archive.origin.fault(f"/{name}/*", Stall(), times=0)
    command = [*PREPARED_PYTHON, "-c", PROGRAM, api.href, str(directory), COLLECTION]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=ROOT, stdout=file, stderr=file
        )
    await wait_until(lambda: process.returncode is not None or len(archive.origin.gets()) >= 4)
    assert process.returncode is None, log.read_text()
    # The process is a fork, which the started process waits for.
    os.kill(int(log.read_text().partition("\n")[0]), signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    archive.origin.heal()
