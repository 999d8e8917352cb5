"""Mirrors with many items, written without a run, because a run takes long to write documents."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from stac_asset.mirror.layout import INDEX, SOURCE, VERSION, document_path
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import place_of
from stac_asset.mirror.state.row import index_row
from stac_asset.mirror.state.version import version_of
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, serve_items


def write_large_mirror(
    directory: Path, origin: Origin, count: int, with_index: bool = False
) -> list[dict[str, Any]]:
    """Write a mirror of items without assets, serve the items, and return the items.

    Args:
        directory: The mirror directory.
        origin: The origin of the items.
        count: Number of items.
        with_index: Whether to write the index as releases without shards wrote it.
    """
    href = origin.href("/items.json")
    items = [build_item(origin, f"item-{number:06}") | {"assets": {}} for number in range(count)]
    lines = []
    for item in items:
        key = Key(item["collection"], item["id"])
        document = copy.deepcopy(item)
        version = version_of(item, href, None, lambda key, asset: True).to_dict()
        document["links"] = [{"rel": "derived_from", "href": href, SOURCE: href, VERSION: version}]
        path = directory / document_path(key)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
        stamp = LocalStorage(directory).stamp(document_path(key))
        assert stamp is not None
        row = index_row(document, stamp)
        assert row is not None
        lines.append(json.dumps(json.loads(row.to_line()) | {"checked": True}))
    if with_index:
        (directory / INDEX).parent.mkdir()
        (directory / INDEX).write_text("".join(f"{line}\n" for line in lines))
    assert serve_items(origin, items) == href
    return items


def shard_of_item(name: str, depth: int = 1) -> str:
    """Return the file name of the shard of an item of the collection `things`."""
    return f"{place_of(Key('things', name)) >> (64 - 4 * depth):0{depth}x}.ndjson"


def file_versions(folder: Path) -> dict[str, int]:
    """Return the modification times of the files in a folder, in nanoseconds, by name."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
