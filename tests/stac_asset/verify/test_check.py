"""Verification of files against the sizes and checksums in documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pystac

from stac_asset import Config, download_item_collection
from stac_asset.testing import Origin
from stac_asset.verify.check import check_all
from stac_asset.verify.results import Corrupt, Missing, NotLocal, Summary, Unverifiable, Verified
from tests.support.items import item_document
from tests.support.verification import check_by_key, download_from_origin, inventory_of, write_item


async def test_downloaded_files_are_verified(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    await download_from_origin(origin, tmp_path, config, "a", "b")
    inventory = await inventory_of(tmp_path)
    assert inventory.documents == (tmp_path / "the-item.json",)
    verdicts = await check_by_key(inventory)
    assert {key: type(verdict) for key, verdict in verdicts.items()} == {
        "a": Verified,
        "b": Verified,
    }
    assert verdicts["a"].size == len(origin.content("/a.tif"))  # type: ignore[union-attr]


async def test_bad_files_have_reasons(origin: Origin, config: Config, tmp_path: Path) -> None:
    await download_from_origin(origin, tmp_path, config, "a", "b", "c", "d")
    (tmp_path / "a.tif").unlink()
    with (tmp_path / "b.tif").open("r+b") as file:
        file.truncate(10)
    with (tmp_path / "c.tif").open("r+b") as file:
        file.write(bytes(byte ^ 255 for byte in file.read(4)))
        file.seek(0)
        file.write(b"ruin")
    (tmp_path / "d.tif").unlink()
    (tmp_path / "d.tif").mkdir()
    verdicts = await check_by_key(await inventory_of(tmp_path))
    assert isinstance(verdicts["a"], Missing)
    for key, reason in {
        "b": "has 10 bytes, but",
        "c": "has the checksum",
        "d": "not a file",
    }.items():
        verdict = verdicts[key]
        assert isinstance(verdict, Corrupt)
        assert reason in verdict.reason
    summary = Summary()
    for verdict in verdicts.values():
        summary.add(verdict)
    assert (summary.good, summary.bad) == (0, 4)
    message = str(summary.error)
    assert message.startswith("4 of 4 files are missing or wrong\n- asset '")
    assert "- asset 'a' of item 'the-item': the file is missing" in message


async def test_file_without_checksum_is_unverifiable(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    config.write_checksums = False
    await download_from_origin(origin, tmp_path, config, "a", "b")
    (tmp_path / "b.tif").unlink()
    verdicts = await check_by_key(await inventory_of(tmp_path))
    assert isinstance(verdicts["a"], Unverifiable)
    assert isinstance(verdicts["b"], Missing)


async def test_checksum_that_is_not_a_multihash_is_unverifiable(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    bare = "900150983cd24fb0d6963f7d28e17f72"
    fields: dict[str, Any] = {"href": "./a.tif", "file:checksum": bare}
    write_item(tmp_path / "item.json", {"a": fields, "b": fields | {"file:size": 4}})
    verdicts = await check_by_key(await inventory_of(tmp_path))
    assert isinstance(verdicts["a"], Unverifiable)
    assert isinstance(verdicts["b"], Corrupt)


async def test_item_collection_with_absolute_hrefs_is_verified(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = [
        pystac.Item.from_dict(item_document(origin, "a", name=name)) for name in ("one", "two")
    ]
    await download_item_collection(pystac.ItemCollection(items), tmp_path, config=config)
    inventory = await inventory_of(tmp_path)
    assert inventory.documents == (tmp_path / "item-collection.json",)
    verdicts = [verdict async for verdict in check_all(inventory)]
    assert [type(verdict) for verdict in verdicts] == [Verified, Verified]


async def test_remote_asset_is_not_local(tmp_path: Path) -> None:
    write_item(tmp_path / "item.json", {"a": {"href": "https://example.com/a.tif"}})
    verdicts = await check_by_key(await inventory_of(tmp_path))
    assert isinstance(verdicts["a"], NotLocal)
