"""A STAC API, `rustac serve`, and real items with assets on an origin."""

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

from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.support.servers import free_port

COLLECTION = "sentinel-2-l2a"
KEYS = ("B04", "visual")


def real_items(shared_data: Path) -> list[dict[str, Any]]:
    """Return the 1,000 real items, sorted by id."""
    items = read_items(shared_data / "sentinel-2-1000-items.parquet", "items")
    return sorted(items, key=lambda item: str(item["id"]))


def with_origin_assets(item: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """Return the item with a small file on the origin for each key in `KEYS`."""
    assets = {}
    for key in KEYS:
        path = f"/{item['id']}/{key}.tif"
        assets[key] = item["assets"][key] | {"href": origin.href(f"{path}?size=500")}
    links = [link for link in item["links"] if link["rel"] == "license"]
    return item | {"assets": assets, "links": links}


class RustacServer:
    """A server process. The address stays the same after a restart with other items."""

    def __init__(self, folder: Path, collection: Path) -> None:
        installed = Path(sys.executable).with_name("rustac")
        program = str(installed) if installed.exists() else shutil.which("rustac")
        if program is None:
            pytest.fail("The program `rustac` is missing. Install the package `rustac`.")
        self._program = program
        self._folder = folder
        self._collection = collection
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.href = f"http://127.0.0.1:{self._port}"

    def serve(self, items: list[dict[str, Any]]) -> None:
        """Start the server, or restart the server, with exactly these items."""
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
        raise RuntimeError("rustac did not start within 60 seconds")

    @property
    def is_serving(self) -> bool:
        """Whether the server is running."""
        return self._process is not None

    def stop(self) -> None:
        """Stop the server, if the server is running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def rustac_server(folder: Path, shared_data: Path) -> Iterator[RustacServer]:
    """Yield a server that is not started. The server is stopped at the end."""
    server = RustacServer(folder, shared_data / "sentinel-2-l2a-collection.json")
    try:
        yield server
    finally:
        server.stop()
