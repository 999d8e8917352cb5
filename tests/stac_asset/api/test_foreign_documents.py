"""Files of other programs at the path of a new document: refused, or replaced with a notice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadWarning,
    ErrorStrategy,
    download_collection,
    download_item,
    download_item_collection,
    plan_collection,
    plan_item,
    plan_item_collection,
)
from stac_asset.errors import DestinationError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Status
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


def _other_program(stac: Any, kind: str, *, self_link: str | None) -> bytes:
    """Return the document of another program, with remote hrefs."""
    document = stac.to_dict(transform_hrefs=False)
    for owner in document["features"] if kind == "item collection" else [document]:
        links = [{"rel": "self", "href": self_link}] if self_link is not None else []
        owner["links"] = [*links, {"rel": "license", "href": "https://example.com/terms"}]
    return json.dumps(document).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("self_link", [None, "https://example.com/", "https://example.com/{name}"])
@pytest.mark.parametrize("length", [0, 100_000])
async def test_stac_document_of_another_program_is_replaced_with_a_notice(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    self_link: str | None,
    length: int,
) -> None:
    name, download, plan = KINDS[kind]
    link = self_link and self_link.format(name=name)
    data = _other_program(stac(origin, kind), kind, self_link=link)
    path = tmp_path / name
    path.write_bytes(data[:-1] + b', "note": "' + length * b"x" + b'"}')
    text = f"STAC documents that no earlier download wrote are replaced: '{path}'"
    await plan(stac(origin, kind), tmp_path, config=config)
    assert caplog.messages == [text]
    caplog.clear()
    await download(stac(origin, kind), tmp_path, config=config)
    assert caplog.messages == [text]
    caplog.clear()
    for directory in (tmp_path, shutil.copytree(tmp_path, tmp_path / "moved")):
        config.absolute_hrefs = True
        await download(stac(origin, kind), directory, config=config)
        await download(stac(origin, kind), directory, config=config)
        assert caplog.messages == []


async def test_self_contained_document_of_another_program_causes_a_notice(
    origin: Origin, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    item = stac(origin, "item")
    item.assets["a"].href = "./mine.tif"
    item.save_object(include_self_link=False, dest_href=str(tmp_path / "the-item.json"))
    await download_item(stac(origin, "item"), tmp_path, config=config)
    assert [str(tmp_path / "the-item.json") in text for text in caplog.messages] == [True]


async def test_document_without_complete_assets_counts_as_downloaded(
    origin: Origin, tmp_path: Path, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    config.error_strategy, config.warn = ErrorStrategy.KEEP, True
    origin.fault("*", Status(404), times=0)
    for kind, (_, download, _) in KINDS.items():
        source = stac(origin, kind)
        if kind == "item collection":
            source.items[0].set_self_href("https://example.com/the-item.json")
        for _ in range(2):
            with pytest.warns(DownloadWarning):
                await download(source.clone(), tmp_path, config=config)
    assert caplog.messages == []
