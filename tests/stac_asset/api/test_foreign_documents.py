"""Files of other programs at the path of a new document are not replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    download_collection,
    download_item,
    download_item_collection,
    plan_collection,
    plan_item,
    plan_item_collection,
)
from stac_asset.errors import DestinationError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.support.collections import collection_document
from tests.support.items import item_document

KINDS: dict[str, tuple[str, Any, Any]] = {
    "item": ("the-item.json", download_item, plan_item),
    "collection": ("collection.json", download_collection, plan_collection),
    "item collection": ("item-collection.json", download_item_collection, plan_item_collection),
}
GEOJSON = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}]}


def stac(origin: Origin, kind: str) -> Any:
    """Return an object with one asset."""
    document = item_document(origin, "a")
    if kind == "collection":
        document = collection_document(origin, "a")
    if kind == "item collection":
        document = {"type": "FeatureCollection", "features": [document]}
    return stac_of(document, None, "document")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [
        b"notes",
        b"\x89PNG\r\n",
        b'{"name": "mine"}',
        b'["stac"]',
        b"[" * 100_000,
        json.dumps(GEOJSON).encode(),
        json.dumps({"rows": ["x" * 200] * 1000}).encode(),
    ],
    ids=["text", "binary", "JSON", "list", "nested", "GeoJSON", "large"],
)
async def test_file_of_another_program_is_refused_before_any_request(
    origin: Origin, tmp_path: Path, config: Config, kind: str, data: bytes
) -> None:
    name, download, plan = KINDS[kind]
    path = tmp_path / name
    path.write_bytes(data)
    planned = await plan(stac(origin, kind), tmp_path, config=config)
    origin.forget()
    with pytest.raises(DestinationError) as caught:
        await download(stac(origin, kind), tmp_path, config=config)
    assert (
        str(caught.value)
        == planned.directory_problem
        == (
            f"'{path}' exists and is no STAC document, so it is not replaced. Move the file, or "
            "choose another directory or name."
        )
    )
    assert origin.requests == []
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def _sorted_document(size: int) -> bytes:
    """Return an item whose `stac_version` is after a number of bytes."""
    item = {
        "id": "the-item",
        "type": "Feature",
        "stac_version": "1.0.0",
        "assets": {"x" * size: {}},
    }
    return json.dumps(item, sort_keys=True).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b'{"type": "FeatureCollection", "features": []}',
        _sorted_document(10),
        _sorted_document(100_000),
    ],
    ids=["empty", "white space", "item collection without items", "item", "large item"],
)
async def test_empty_file_and_stac_document_are_replaced(
    origin: Origin, tmp_path: Path, config: Config, kind: str, data: bytes
) -> None:
    name, download, _ = KINDS[kind]
    (tmp_path / name).write_bytes(data)
    await download(stac(origin, kind), tmp_path, config=config)
    assert b'"./' in (tmp_path / name).read_bytes()


async def test_file_at_the_path_of_no_document_is_kept(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "the-item.json").write_bytes(b"notes")
    item = stac(origin, "item")
    assert isinstance(item, pystac.Item)
    await download_item(item, tmp_path, file_name="other.json", config=config)
    await download_item(item, tmp_path, infer_file_name=False, config=config)
    assert (tmp_path / "the-item.json").read_bytes() == b"notes"
