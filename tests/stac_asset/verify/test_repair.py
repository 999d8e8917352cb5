"""Repairs of missing and corrupt files from the source of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config, download_item
from stac_asset.stac.parse import load_stac
from stac_asset.testing import Origin
from stac_asset.verify.check import check_all
from stac_asset.verify.repair import Repair, Unrepairable
from stac_asset.verify.results import Corrupt, Missing, OutOfBounds, Unverifiable, Verified
from tests.support.items import item_document, make_item
from tests.support.verification import (
    check_by_key,
    download_from_origin,
    inventory_of,
    repair_directory,
    write_item,
)


async def test_files_outside_directory_are_not_read_or_repaired(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    directory, outside = tmp_path / "directory", tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.tif"
    secret.write_bytes(b"secret")
    hrefs = {
        "absolute": str(secret),
        "url": secret.as_uri(),
        "climbs": "../outside/secret.tif",
        "missing": "../outside/new.tif",
        "link": "./link.tif",
        "folder": "./folder/secret.tif",
        "new": "./folder/new.tif",
        "nul": "./a\0b.tif",
    }
    href = make_item(origin, *hrefs)
    assets: dict[str, Any] = {
        key: {"href": value, "file:size": 1} for key, value in hrefs.items()
    } | {"odd": 7, "number": {"href": 7}}
    write_item(directory / "the-item.json", assets, href, id="the-item")
    (directory / "link.tif").symlink_to(secret)
    (directory / "folder").symlink_to(outside)
    (directory / "more.json").symlink_to(outside / "more.json")
    write_item(outside / "more.json", {"more": {"href": "./secret.tif"}})
    inventory = await inventory_of(directory)
    assert [document.path for document in inventory.unreadable] == [str(directory / "more.json")]
    after, planned = await repair_directory(directory, config)
    assert {key: type(verdict) for key, verdict in after.items()} == dict.fromkeys(
        assets, OutOfBounds
    )
    assert planned == []
    assert secret.read_bytes() == b"secret"
    assert origin.requests == []
    assert {path.name for path in outside.iterdir()} == {"secret.tif", "more.json"}


async def test_files_are_repaired_from_derived_from_source(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a", "b", "c")
    before = (tmp_path / "the-item.json").read_bytes()
    (tmp_path / "a.tif").unlink()
    (tmp_path / "b.tif").write_bytes(b"ruin")
    origin.forget()
    after, _ = await repair_directory(tmp_path, config)
    assert {key: type(verdict) for key, verdict in after.items()} == {"a": Verified, "b": Verified}
    assert sorted(request.path for request in origin.requests) == [
        "/a.tif",
        "/b.tif",
        "/item.json",
    ]
    assert (tmp_path / "the-item.json").read_bytes() == before
    item = load_stac(tmp_path / "the-item.json")
    assert isinstance(item, pystac.Item)
    for key in item.assets:
        assert (tmp_path / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")


async def test_changed_source_does_not_replace_file(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a", "b")
    (tmp_path / "a.tif").write_bytes(b"ruin")
    origin.put("/a.tif", b"another version")
    after, _ = await repair_directory(tmp_path, config)
    assert isinstance(after["a"], Corrupt)
    assert "the repair failed: the source has 15 bytes, but file:size" in after["a"].reason
    assert (tmp_path / "a.tif").read_bytes() == b"ruin"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (None, "no `derived_from` link"),
        ("/not/there.json", "the source /not/there.json does not exist"),
        (f"/{'x' * 256}.json", "xxx… does not exist"),
        ("{origin}/gone.json", "cannot be read: 404"),
        ("{origin}/item.json", "the source has no asset 'a' of item 'planted'"),
    ],
)
async def test_unusable_source_is_reported(
    origin: Origin, config: Config, tmp_path: Path, source: str | None, reason: str
) -> None:
    make_item(origin, "a")
    origin.remove("/gone.json")
    source_href = source.replace("{origin}", origin.url) if source else None
    write_item(tmp_path / "item.json", {"a": {"href": "./a.tif"}}, source_href)
    after, _ = await repair_directory(tmp_path, config)
    assert isinstance(after["a"], Missing)
    assert reason in after["a"].reason


async def test_local_href_in_source_requires_allow_local_hrefs(
    config: Config, tmp_path: Path
) -> None:
    directory, secret = tmp_path / "directory", tmp_path / "secret.tif"
    secret.write_bytes(b"secret")
    source = tmp_path / "source.json"
    write_item(source, {"a": {"href": str(secret)}})
    write_item(directory / "item.json", {"a": {"href": "./a.tif"}}, str(source))
    after, _ = await repair_directory(directory, config)
    assert isinstance(after["a"], Missing)
    assert "allow_local_hrefs=True" in after["a"].reason
    config.allow_local_hrefs = True
    after, _ = await repair_directory(directory, config)
    assert isinstance(after["a"], Unverifiable)
    assert (directory / "a.tif").read_bytes() == b"secret"


async def test_document_referenced_as_asset_declares_no_assets(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a", "b")
    write_item(
        tmp_path / "metadata.json",
        {
            "elsewhere": {"href": "./not-there.tif"},
            "item": {"href": "./the-item.json", "file:size": 1},
        },
        origin.href("/evil.json"),
    )
    document = json.loads((tmp_path / "the-item.json").read_text())
    document["assets"]["metadata"] = {"href": "./metadata.json"}
    (tmp_path / "the-item.json").write_text(json.dumps(document))
    write_item(tmp_path / "second.json", {"metadata": {"href": "./metadata.json"}})
    # No document references `second.json`, so the assets of `second.json` are files.
    inventory = await inventory_of(tmp_path)
    assert {path.name for path in inventory.documents} == {"second.json", "the-item.json"}
    # The two remaining documents reference each other, so both count as documents.
    (tmp_path / "second.json").unlink()
    inventory = await inventory_of(tmp_path)
    assert {path.name for path in inventory.documents} == {"metadata.json", "the-item.json"}
    after, _ = await repair_directory(tmp_path, config)
    assert isinstance(after["item"], OutOfBounds)
    assert "is a document" in after["item"].reason
    assert json.loads((tmp_path / "the-item.json").read_text()) == document


async def test_document_cannot_overwrite_valid_file_of_another_document(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a")
    good = (tmp_path / "a.tif").read_bytes()
    origin.put("/evil.tif", b"evil")
    evil = item_document(origin, name="planted")
    evil["assets"]["a"] = {"href": origin.href("/evil.tif")}
    source = origin.put("/evil.json", json.dumps(evil).encode())
    write_item(tmp_path / "planted.json", {"a": {"href": "./a.tif", "file:size": 4}}, source)
    after, planned = await repair_directory(tmp_path, config)
    assert [type(entry) for entry in planned] == [Unrepairable]
    assert isinstance(after["a"], Corrupt)
    assert "another asset references the same file and declares different" in after["a"].reason
    assert (tmp_path / "a.tif").read_bytes() == good


async def test_file_declared_by_two_documents_is_repaired_once(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a")
    document = json.loads((tmp_path / "the-item.json").read_text())
    items = {"type": "FeatureCollection", "features": [document]}
    (tmp_path / "item-collection.json").write_text(json.dumps(items))
    (tmp_path / "a.tif").unlink()
    after, planned = await repair_directory(tmp_path, config)
    assert [type(entry) for entry in planned] == [Repair]
    assert isinstance(after["a"], Verified)


async def test_file_that_assets_of_an_item_share_is_repaired_once(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    document = item_document(origin, "B1", "B2")
    document["assets"]["B2"] = dict(document["assets"]["B1"])
    href = origin.put("/item.json", json.dumps(document).encode())
    await download_item(href, tmp_path, config=config)
    (tmp_path / "B1.tif").unlink()
    after, planned = await repair_directory(tmp_path, config)
    assert len(planned) == 1
    assert not any(isinstance(verdict, Missing | Corrupt) for verdict in after.values())
    assert (tmp_path / "B1.tif").read_bytes() == origin.content("/B1.tif")


@pytest.mark.parametrize("bad", [b"<!DOCTYPE html><html></html>", b""])
async def test_page_or_empty_file_in_place_of_asset_is_repaired(
    origin: Origin, config: Config, tmp_path: Path, bad: bytes
) -> None:
    config.write_checksums = False
    await download_from_origin(origin, tmp_path, config, "a", "b")
    (tmp_path / "a.tif").write_bytes(bad)
    verdicts = await check_by_key(await inventory_of(tmp_path))
    assert isinstance(verdicts["a"], Corrupt)
    assert isinstance(verdicts["b"], Unverifiable)
    after, _ = await repair_directory(tmp_path, config)
    assert isinstance(after["a"], Unverifiable)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_page_that_its_document_describes_is_reported_and_not_replaced(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    page = b"<html>login</html>"
    make_item(origin, "a")
    assets = {"a": {"href": "./a.tif", "type": "image/tiff", "file:size": len(page)}}
    write_item(tmp_path / "the-item.json", assets, origin.href("/item.json"), id="the-item")
    (tmp_path / "a.tif").write_bytes(page)
    after, planned = await repair_directory(tmp_path, config)
    assert isinstance(after["a"], Corrupt)
    assert "an HTML page" in after["a"].reason
    assert "the-item.json describes this content. Download the item 'the-item' again" in (
        after["a"].reason
    )
    assert isinstance(planned[0], Unrepairable)
    config.check_content = False
    inventory = await inventory_of(tmp_path)
    verdicts = [verdict async for verdict in check_all(inventory, config=config)]
    assert isinstance(verdicts[0], Unverifiable)
