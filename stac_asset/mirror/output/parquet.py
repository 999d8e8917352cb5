"""The stac-geoparquet index of a mirror: all of its items in one file, for those who query them."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stac_asset.destinations.local.documents import new_file
from stac_asset.hrefs import absolute_href, is_absolute, relative_href
from stac_asset.mirror.search.window import moment
from stac_asset.mirror.state.layout import INDEX, PARQUET
from stac_asset.mirror.state.row import IndexRow

_AT_ONCE = 1000
"""How many items are held at once."""

_TIMES = (
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
    "expires",
    "published",
    "unpublished",
)
"""The properties that have columns of moments, into which stac-geoparquet takes nothing else."""


def has_geoparquet() -> bool:
    """Returns whether the extra `geoparquet` is installed."""
    return all(importlib.util.find_spec(name) for name in ("stac_geoparquet", "pyarrow"))


def is_current(directory: Path) -> bool:
    """Returns whether the index was written after the last change of the mirror was.

    Args:
        directory: The absolute path of the mirror.
    """
    try:
        return (directory / PARQUET).stat().st_mtime_ns >= (directory / INDEX).stat().st_mtime_ns
    except OSError:
        return False


def write_parquet(directory: Path, rows: Iterable[IndexRow]) -> None:
    """Writes the index of all items that have a place; without any, there is none.

    Args:
        directory: The absolute path of the mirror.
        rows: Its items.

    Raises:
        ValueError: The items do not fit into one table.
        DestinationError: It cannot be written.
    """
    import stac_geoparquet.arrow

    path = directory / PARQUET
    # There is no row for what has no place.
    ordered = sorted((row for row in rows if row.bbox), key=lambda row: row.document)
    if not ordered:
        path.unlink(missing_ok=True)
        return
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
        whole, chunks = Path(folder, "whole"), Path(folder, "chunks")
        chunks.mkdir()
        try:
            # By way of files, so that not all items are held at once.
            batches = stac_geoparquet.arrow.parse_stac_items_to_arrow(
                _items(directory, ordered, path), _AT_ONCE, "ChunksToDisk", chunks
            )
            stac_geoparquet.arrow.to_parquet(batches, whole)
        except (
            Exception
        ) as error:  # What stac-geoparquet raises on odd items is documented nowhere.
            raise ValueError(f"the items do not fit into one table: {error}") from error
        _move(whole, path, directory)


def _move(scratch: Path, path: Path, directory: Path) -> None:
    with new_file(path, directory, wait=True) as index, scratch.open("rb") as file:
        while block := file.read(1024 * 1024):
            index.append(block)
        index.commit()


def _items(directory: Path, rows: Iterable[IndexRow], index: Path) -> Iterator[dict[str, Any]]:
    for row in rows:
        path = directory / row.document
        document = json.loads(path.read_bytes())
        properties = document["properties"]
        for name in properties.keys() & _TIMES:
            # One that is none, in one item, would be no table for all of them.
            when = moment(properties[name])
            properties[name] = when.isoformat() if when is not None else None
        document["links"] = [
            # What the mirror notes differs from item to item, and a column holds one type.
            {name: value for name, value in link.items() if not name.startswith("mirror:")}
            | {"href": _moved(link["href"], path, index)}
            for link in document["links"]
        ]
        for asset in document["assets"].values():
            asset["href"] = _moved(asset["href"], path, index)
        yield document


def _moved(href: str, document: Path, index: Path) -> str:
    if is_absolute(href):
        return href
    return relative_href(Path(absolute_href(href, str(document))), index)
