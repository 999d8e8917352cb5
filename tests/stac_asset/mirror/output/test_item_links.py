"""Catalogs between a collection with many items and the items."""

from __future__ import annotations

import json
import posixpath
from pathlib import Path
from typing import Any

from stac_asset.mirror.layout import document_path
from stac_asset.mirror.output.catalog import write_catalog
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.local import LocalStorage

COUNT = 10_050
SOURCE = "https://e.com"


def row(collection: str | None, name: str, west: float = 1.0) -> IndexRow:
    time = ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z")
    box = [west, 2.0, west + 1, 3.0]
    version = Version(None, None, {})
    return IndexRow(Key(collection, name), (1, 2), SOURCE, version, bbox=box, span=time)


def stored(collection: str | None, count: int) -> Rows:
    """Return rows as a run reads them from shards."""
    rows = Rows()
    for number in range(count):
        found = row(collection, f"item-{number}")
        rows.read(found, found.to_line())
    rows.settle(2)
    return rows


def linked(directory: Path, document: str) -> set[str]:
    """Return the paths of the item documents that a catalog links to, also through catalogs."""
    base, found = posixpath.dirname(document), set()
    for link in json.loads((directory / document).read_bytes())["links"]:
        target = posixpath.normpath(posixpath.join(base, link["href"]))
        if link["rel"] == "item":
            found.add(target)
        elif link["rel"] == "child":
            found |= linked(directory, target)
        else:
            assert (directory / target).is_file()
    return found


def write(directory: Path, rows: Rows) -> int:
    return write_catalog(LocalStorage(directory), rows, SOURCE, {}).written


def extent(directory: Path) -> Any:
    document = json.loads((directory / "things/collection.json").read_bytes())
    return document["extent"]["spatial"]["bbox"]


def test_collection_with_many_items_links_to_catalogs(tmp_path: Path) -> None:
    rows = stored("things", COUNT)
    rows.depth = None  # As in a mirror of a release without such catalogs.
    assert write(tmp_path, rows) == 16 + 1 + 1
    paths = {document_path(key) for key in rows}
    assert linked(tmp_path, "things/collection.json") == paths
    assert len(json.loads((tmp_path / "things/collection.json").read_bytes())["links"]) == 18

    rows = stored("things", COUNT)
    assert write(tmp_path, rows) == 0
    rows[Key("things", "new")] = row("things", "new", west=1.5)
    del rows[Key("things", "item-7")]
    rows[Key("things", "item-8")] = row("things", "item-8", west=0.5)
    assert write(tmp_path, rows) == 2 + 1
    paths = paths - {"things/item-7/item-7.json"} | {"things/new/new.json"}
    assert linked(tmp_path, "catalog.json") == paths
    assert extent(tmp_path) == [[0.5, 2.0, 2.5, 3.0]]

    for number in range(9, 6_000):
        del rows[Key("things", f"item-{number}")]
    assert write(tmp_path, rows) == 1
    assert linked(tmp_path, "catalog.json") == {document_path(key) for key in rows}
    assert not (tmp_path / "things/~items").exists()


def test_catalog_with_many_items_links_to_catalogs(tmp_path: Path) -> None:
    rows = stored(None, COUNT)
    rows.depth = None
    assert write(tmp_path, rows) == 17
    assert linked(tmp_path, "catalog.json") == {document_path(key) for key in rows}
    assert (tmp_path / "~items/f.json").is_file()


def test_lost_catalog_is_written_again(tmp_path: Path) -> None:
    rows = stored("things", COUNT)
    write(tmp_path, rows)
    (tmp_path / "things/~items/b.json").unlink()
    assert write(tmp_path, stored("things", COUNT)) == 1
    assert linked(tmp_path, "catalog.json") == {document_path(key) for key in rows}
