"""Create the example items and small GeoTIFFs. Every run creates identical files.

    python examples/make_data.py DIRECTORY

The images are uncompressed single-band GeoTIFFs in EPSG:4326, written according to the TIFF 6.0 and
GeoTIFF 1.1 specifications, without an imaging library.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

SIZE = 64
"""Width and height of an image in pixels."""

PIXEL = 0.001
"""Size of a pixel in degrees."""

BANDS = ("red", "nir", "ndvi")


def geotiff(values: bytes, west: float, north: float) -> bytes:
    """Return a GeoTIFF of SIZE x SIZE pixels with 8 bits per pixel.

    Args:
        values: The pixels, row by row, starting in the north.
        west: Longitude of the left edge, in degrees.
        north: Latitude of the upper edge, in degrees.
    """
    scale = struct.pack("<3d", PIXEL, PIXEL, 0.0)
    tiepoint = struct.pack("<6d", 0.0, 0.0, 0.0, west, north, 0.0)
    # Version and number of keys, then the keys: geographic model, pixel is area, EPSG:4326.
    geokeys = struct.pack("<16H", 1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326)
    tags = [
        (256, 3, 1, SIZE),
        (257, 3, 1, SIZE),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, b"pixels"),
        (277, 3, 1, 1),
        (278, 3, 1, SIZE),
        (279, 4, 1, len(values)),
        (33550, 12, 3, b"scale"),
        (33922, 12, 6, b"tiepoint"),
        (34735, 3, 16, b"geokeys"),
    ]
    blocks = {b"scale": scale, b"tiepoint": tiepoint, b"geokeys": geokeys, b"pixels": values}
    offsets, position = {}, 8 + 2 + 12 * len(tags) + 4
    for name, block in blocks.items():
        offsets[name] = position
        position += len(block)
    directory = struct.pack("<H", len(tags))
    for tag, kind, count, value in tags:
        number = offsets[value] if isinstance(value, bytes) else value
        directory += struct.pack("<HHII", tag, kind, count, number)
    header = struct.pack("<2sHI", b"II", 42, 8)
    return header + directory + struct.pack("<I", 0) + b"".join(blocks.values())


def pixels(band: str, seed: int) -> bytes:
    """Return the pixels of a band, a pattern that depends on the band and the item.

    Args:
        band: One of BANDS.
        seed: Number of the item.
    """
    step = BANDS.index(band) + 2
    rows = (
        (x * step + y * (seed + 1) + (x * y) // 16) % 256 for y in range(SIZE) for x in range(SIZE)
    )
    return bytes(rows)


def item(name: str, number: int, assets: dict[str, bytes]) -> dict[str, Any]:
    """Return a STAC item with relative asset hrefs, sizes and checksums.

    Args:
        name: The id of the item.
        number: Number of the item, which defines its longitude and its day in June 2026.
        assets: The content of each band.
    """
    west, north = 8.0 + number * SIZE * PIXEL, 50.0
    east, south = west + SIZE * PIXEL, north - SIZE * PIXEL
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/file/v2.1.0/schema.json"],
        "id": name,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": f"2026-06-{number + 1:02d}T10:30:00Z"},
        "links": [],
        "assets": {
            band: {
                "href": f"./{name}_{band}.tif",
                "type": "image/tiff; application=geotiff",
                "title": f"{band} of {name}",
                "roles": ["data"],
                "file:size": len(data),
                "file:checksum": "1220" + hashlib.sha256(data).hexdigest(),
            }
            for band, data in assets.items()
        },
    }


def make_data(directory: Path, count: int = 2) -> list[Path]:
    """Write the items and images, and return the paths of the items.

    Args:
        directory: The folder to write to.
        count: Number of items.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents = []
    for number in range(count):
        name = f"example-{number + 1}"
        west = 8.0 + number * SIZE * PIXEL
        assets = {band: geotiff(pixels(band, number), west, 50.0) for band in BANDS}
        for band, data in assets.items():
            (directory / f"{name}_{band}.tif").write_bytes(data)
        document = directory / f"{name}.json"
        document.write_text(json.dumps(item(name, number, assets), indent=2) + "\n")
        documents.append(document)
    return documents


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python examples/make_data.py DIRECTORY")
    for path in make_data(Path(sys.argv[1])):
        print(path)
