"""A STAC archive on this machine that requires a token, for the tutorial.

    python examples/archive.py [PORT]

The archive is a static STAC catalog with scenes. A new scene is published each time that you press
Enter.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stac_asset.testing import Origin

PORT = 8010
TOKEN = "tutorial-token"
FIRST_SCENES = 4

_DATA = Path(__file__).parent / "data"
_ASSETS = ("red", "nir", "ndvi")
_START = datetime(2026, 6, 1, 10, tzinfo=UTC)
_SIZE = 1.0
"""Width and height of a scene in degrees."""


class Archive:
    """The documents and files of the archive, on a server.

    Args:
        origin: The server.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._scenes = 0
        origin.require("Authorization", f"Bearer {TOKEN}")
        links = [{"rel": "child", "href": "collection.json"}]
        self._put("catalog.json", _catalog("Catalog", "archive", links))
        for _ in range(FIRST_SCENES):
            self.publish()

    @property
    def href(self) -> str:
        """The URL of the catalog."""
        return f"{self._origin.url}/catalog.json"

    def publish(self) -> str:
        """Publish a new scene, and return the id."""
        self._scenes += 1
        name = f"scene-{self._scenes}"
        assets: dict[str, Any] = {}
        for key in _ASSETS:
            image = (_DATA / f"example-{1 + self._scenes % 2}_{key}.tif").read_bytes()
            self._origin.put(f"/{name}/{key}.tif", image)
            media_type = "image/tiff; application=geotiff"
            assets[key] = {"href": f"{key}.tif", "type": media_type, "roles": ["data"]}
        self._put(f"{name}/item.json", _item(name, self._scenes, assets))
        links = [
            {"rel": "item", "href": f"scene-{number}/item.json"}
            for number in range(1, self._scenes + 1)
        ]
        self._put("collection.json", _collection(links))
        return name

    def _put(self, name: str, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self._origin.put(f"/{name}", content, content_type="application/json")


def _catalog(kind: str, name: str, links: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": kind,
        "stac_version": "1.1.0",
        "id": name,
        "description": "Scenes of the tutorial",
        "links": links,
    }


def _collection(links: list[dict[str, str]]) -> dict[str, Any]:
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [[_START.isoformat(), None]]},
    }
    return {
        **_catalog("Collection", "scenes", links),
        "license": "CC0-1.0",
        "extent": extent,
    }


def _item(name: str, number: int, assets: dict[str, Any]) -> dict[str, Any]:
    west, south = 8.0 + number % 4 * 1.2, 48.0 + number // 4 * 1.2
    east, north = west + _SIZE, south + _SIZE
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "scenes",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": (_START + timedelta(days=number)).isoformat()},
        "links": [{"rel": "collection", "href": "../collection.json"}],
        "assets": assets,
    }


def main(port: int) -> None:
    """Serve the archive until Ctrl-C.

    Args:
        port: The port to listen on.
    """
    with Origin(port=port, strict=True) as origin:
        archive = Archive(origin)
        print(f"The archive has {FIRST_SCENES} scenes: {archive.href}")
        print(f"Its token is {TOKEN}.")
        print("Press Enter to publish a scene, and Ctrl-C to stop.", flush=True)
        for _ in sys.stdin:
            print(f"{archive.publish()} is published.", flush=True)
        threading.Event().wait()  # The standard input is closed, but the archive goes on.


if __name__ == "__main__":
    chosen = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    try:
        main(chosen)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        sys.exit(
            f"Cannot listen on port {chosen}: {reason}. Choose another port: "
            f"python examples/archive.py {chosen + 1}"
        )
    except KeyboardInterrupt:
        print()
