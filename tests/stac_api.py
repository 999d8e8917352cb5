"""A real STAC API, `rustac serve`, over items whose assets an origin serves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from bench.servers import free_port
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin

COLLECTION = "sentinel-2-l2a"
KEYS = ("B04", "visual")


def real_items(shared_data: Path) -> list[dict[str, Any]]:
    """Returns the 1,000 real items, by their ids."""
    items = read_items(shared_data / "sentinel-2-1000-items.parquet", "items")
    return sorted(items, key=lambda item: str(item["id"]))


def on_origin(item: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Returns an item with a few of its assets, small ones that the origin serves."""
    assets = {}
    for key in KEYS:
        path = f"/{item['id']}/{key}.tif"
        assets[key] = item["assets"][key] | {"href": origin.href(f"{path}?size=500")}
    links = [link for link in item["links"] if link["rel"] == "license"]
    return item | {"assets": assets, "links": links}


class Api:
    """A server that serves other items after each restart, on one address."""

    def __init__(self, folder: Path, collection: Path) -> None:
        beside = Path(sys.executable).with_name("rustac")
        program = str(beside) if beside.exists() else shutil.which("rustac")
        if program is None:
            pytest.fail("rustac is absent: it comes with the package rustac")
        self._program = program
        self._folder = folder
        self._collection = collection
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.href = f"http://127.0.0.1:{self._port}"

    def serve(self, items: list[dict[str, Any]]) -> None:
        """Serves these items, and no others."""
        self.stop()
        path = self._folder / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        command = [self._program, "serve", "--use-duckdb", "false", str(path)]
        command += [str(self._collection), "--addr", f"127.0.0.1:{self._port}"]
        with (self._folder / "rustac.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        opener = build_opener(ProxyHandler({}))
        for _ in range(1200):
            assert self._process.poll() is None, (self._folder / "rustac.log").read_text()
            try:
                with opener.open(f"{self.href}/conformance") as response:
                    response.read()
                    return
            except URLError:
                time.sleep(0.05)
        raise RuntimeError("rustac does not answer")

    @property
    def is_serving(self) -> bool:
        """Whether it serves anything."""
        return self._process is not None

    def stop(self) -> None:
        """Ends the server, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def stac_api(folder: Path, shared_data: Path) -> Iterator[Api]:
    """Gives a STAC API that serves nothing yet."""
    api = Api(folder, shared_data / "sentinel-2-l2a-collection.json")
    try:
        yield api
    finally:
        api.stop()
