"""Items whose assets the origin of `stac_asset.testing` generates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_items(path: Path, url: str, items: int, assets: int, size: int) -> None:
    """Write items as newline-delimited JSON.

    Args:
        path: The file to write.
        url: URL of the origin.
        items: Number of items.
        assets: Number of assets of each item.
        size: Size of each asset in bytes.
    """
    with path.open("w") as file:
        for number in range(items):
            item: dict[str, Any] = {
                "type": "Feature",
                "stac_version": "1.1.0",
                "id": f"item-{number}",
                "geometry": None,
                "properties": {"datetime": "2026-06-01T00:00:00Z"},
                "links": [],
                "assets": {
                    f"band-{band}": {"href": f"{url}/{number}/{band}.tif?size={size}"}
                    for band in range(assets)
                },
            }
            file.write(json.dumps(item) + "\n")
