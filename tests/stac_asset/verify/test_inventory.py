"""Documents, assets and leftovers in a directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stac_asset import Config
from stac_asset.errors import SourceError
from stac_asset.verify.check import check_all
from stac_asset.verify.results import Corrupt, Summary, Unverifiable
from tests.support.verification import check_by_key, inventory_of, write_item


async def test_part_files_are_leftovers_and_other_json_files_are_ignored(tmp_path: Path) -> None:
    write_item(tmp_path / "item.json", {"a": {"href": "./a.tif"}})
    for name in (".a.tif.part", ".a.tif.part.json"):
        (tmp_path / name).write_text("{")
    (tmp_path / "other.json").write_text("[1, 2]")
    (tmp_path / "vector.json").write_text('{"type": "FeatureCollection", "features": [{}]}')
    inventory = await inventory_of(tmp_path)
    assert inventory.documents == (tmp_path / "item.json",)
    assert inventory.leftovers == (
        str(tmp_path / ".a.tif.part"),
        str(tmp_path / ".a.tif.part.json"),
    )
    assert inventory.unreadable == ()


async def test_truncated_document_is_unreadable(tmp_path: Path) -> None:
    write_item(tmp_path / "item.json", {})
    (tmp_path / "other.json").write_text('{"type": "Feature", "stac_ver')
    inventory = await inventory_of(tmp_path)
    assert [document.path for document in inventory.unreadable] == [str(tmp_path / "other.json")]
    assert Summary(inventory.unreadable).error is not None


async def test_missing_document_or_directory_raises_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no STAC document"):
        await inventory_of(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        await inventory_of(tmp_path / "not" / "there")


async def test_named_pipe_is_not_read(config: Config, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    os.mkfifo(tmp_path / "pipe.json")
    write_item(tmp_path / "item.json", {"a": {"href": "./a.tif"}})
    inventory = await inventory_of(tmp_path)
    assert [document.reason for document in inventory.unreadable] == [
        "the path is not a regular file"
    ]
    assert isinstance((await check_by_key(inventory))["a"], Corrupt)


async def test_large_item_collection_is_streamed(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    feature = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "one",
        "links": [],
        "geometry": None,
        "properties": {"text": "x" * 1_000_000},
        "assets": {"a": {"href": "./a.tif", "file:size": 3}},
    }
    document = {"type": "FeatureCollection", "features": [feature] * 18}
    (tmp_path / "items.json").write_text(json.dumps(document))
    verdicts = [verdict async for verdict in check_all(await inventory_of(tmp_path))]
    assert [type(verdict) for verdict in verdicts] == [Unverifiable] * 18
    text = (tmp_path / "items.json").read_text()
    (tmp_path / "items.json").write_text(text[:-10])
    assert len((await inventory_of(tmp_path)).unreadable) == 1
