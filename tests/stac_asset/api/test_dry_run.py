"""Download plans: rows, totals and agreement with the actual download."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest
from yarl import URL

from stac_asset import (
    Client,
    Config,
    ConfigError,
    DownloadError,
    FileNameStrategy,
    HttpClient,
    Plan,
    PlannedAsset,
    download_item,
    download_item_collection,
    plan_collection,
    plan_item,
    plan_item_collection,
)
from stac_asset.errors import DestinationError, NoAssetsError
from stac_asset.plan.reasons import Reason
from stac_asset.testing import Delay, NoHead, Origin, Redirect, Status, WrongType
from tests.support.collections import collection_document
from tests.support.items import item_document


def item_with(origin: Origin, *keys: str, **fields: dict[str, Any]) -> pystac.Item:
    """Return an item with an asset for each key, and additional fields by key."""
    document = item_document(origin, *keys)
    for key, more in fields.items():
        document["assets"][key] |= more
    return pystac.Item.from_dict(document)


def asset_row(plan: Plan, key: str) -> PlannedAsset:
    """Return the planned asset of a key."""
    (found,) = (row for row in plan.rows if row.key == key)
    return found


async def test_row_contains_all_fields(origin: Origin, config: Config, tmp_path: Path) -> None:
    origin.put("/a.tif", size=1234)
    plan = await plan_item(item_with(origin, "a"), tmp_path, config=config)
    assert plan.rows == (
        PlannedAsset(
            owner="item 'the-item'",
            key="a",
            action="download",
            href=origin.href("/a.tif"),
            client="http",
            path=str(tmp_path / "a.tif"),
            size=1234,
            note=None,
            reason=Reason.NEW,
        ),
    )
    assert plan.document == str(tmp_path / "the-item.json")
    assert (plan.needed, plan.unknown, plan.fits) == (1234, 0, True)
    assert plan.free > 0


async def test_declared_file_size_is_used_without_request(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, "a", "b", a={"file:size": 77})
    plan = await plan_item(item, tmp_path, config=config)
    assert asset_row(plan, "a").size == 77
    assert [request.path for request in origin.requests] == ["/b.tif"]
    assert [request.method for request in origin.requests] == ["HEAD"]


async def test_plan_creates_no_files(origin: Origin, config: Config, tmp_path: Path) -> None:
    plan = await plan_item(item_with(origin, "a"), tmp_path / "not" / "there", config=config)
    assert plan.count("download") == 1
    assert list(tmp_path.iterdir()) == []


async def test_existing_file_is_planned_as_skip_and_not_changed(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, "a", "b", a={"file:size": 3}, b={"file:size": 3})
    leftover = tmp_path / ".a.tif.part"
    for path, data in ((tmp_path / "a.tif", b"abc"), (tmp_path / "b.tif", b"ab"), (leftover, b"")):
        path.write_bytes(data)
    plan = await plan_item(item, tmp_path, config=config)
    assert (asset_row(plan, "a").action, asset_row(plan, "a").size) == ("skip", 3)
    assert asset_row(plan, "a").note == "file already exists"
    assert asset_row(plan, "b").action == "download"
    assert origin.requests == []
    assert leftover.exists()
    config.overwrite = True
    plan = await plan_item(item, tmp_path, config=config)
    assert plan.count("download") == 2


async def test_reasons_distinguish_new_changed_and_interrupted_files(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, *"abcd", b={"file:size": 3}, c={"file:size": 9})
    (tmp_path / "b.tif").write_bytes(b"ab")
    (tmp_path / ".c.tif.part").write_bytes(b"abc")
    (tmp_path / "d.tif").write_bytes(b"abc")
    plan = await plan_item(item, tmp_path, config=config)
    assert {row.key: row.reason for row in plan.rows} == {
        "a": Reason.NEW,
        "b": Reason.CHANGED,
        "c": Reason.RETRY,
        "d": Reason.PRESENT,
    }
    assert plan.summary.items == {"failed before": 1}
    config.overwrite = True
    plan = await plan_item(item, tmp_path, config=config)
    assert {row.key: row.reason for row in plan.rows} == {
        "a": Reason.NEW,
        "b": Reason.OVERWRITE,
        "c": Reason.RETRY,
        "d": Reason.OVERWRITE,
    }


async def test_directory_and_login_page_are_planned_as_failures(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "a.zarr").mkdir()
    origin.fault("/b.tif", Redirect(origin.href("/oauth/authorize")), times=0)
    origin.put("/oauth/authorize", b"<html></html>", content_type="text/html")
    item = item_with(origin, "a", "b", a={"href": str(tmp_path / "a.zarr")})
    config.allow_local_hrefs = True
    plan = await plan_item(item, tmp_path / "out", config=config)
    for key, text in (("a", "is a directory, not a file"), ("b", "a login is needed")):
        row = asset_row(plan, key)
        assert row.action == "fail"
        assert text in str(row.note)


async def test_missing_source_is_planned_as_failure(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/a.tif")
    found = asset_row(await plan_item(item_with(origin, "a"), tmp_path, config=config), "a")
    assert found.action == "fail"
    assert found.note is not None
    assert found.note.startswith("missing: 404")


@pytest.mark.parametrize("status", [500, 403])
async def test_size_is_unknown_if_source_cannot_be_checked(
    origin: Origin, config: Config, tmp_path: Path, status: int
) -> None:
    origin.fault("/a.tif", Status(status), times=0)
    plan = await plan_item(item_with(origin, "a", "b", b={"file:size": 5}), tmp_path, config=config)
    found = asset_row(plan, "a")
    assert (found.action, found.size) == ("download", None)
    assert found.note is not None
    assert found.note.startswith(f"source cannot be checked: {status}")
    assert (plan.needed, plan.unknown, plan.fits) == (5, 1, None)


async def test_source_check_is_retried_after_transient_error(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.fault("/a.tif", Status(503))
    plan = await plan_item(item_with(origin, "a"), tmp_path, config=config)
    assert asset_row(plan, "a").size == len(origin.content("/a.tif"))


async def test_size_comes_from_range_request_if_head_is_rejected(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=100_000)
    origin.fault("/a.tif", NoHead(), times=0)
    plan = await plan_item(item_with(origin, "a"), tmp_path, config=config)
    assert asset_row(plan, "a").size == 100_000
    assert origin.bytes_sent == 1


async def test_failures_have_reasons_and_match_download(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, "scheme", "local", "type", "malformed", type={"type": "image/png"})
    item.assets["scheme"].href = "gopher://example.com/a.tif"
    item.assets["local"].href = "/etc/hostname"
    item.assets["malformed"].href = 5  # type: ignore[assignment]
    origin.fault("/type.tif", WrongType("text/html"), times=0)
    plan = await plan_item(item, tmp_path, config=config)
    assert plan.count("fail") == 4
    for key, words in {
        "scheme": "No client claims",
        "local": "references local file",
        "type": "text/html",
        "malformed": "not a string",
    }.items():
        assert words in (asset_row(plan, key).note or "")
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    assert len(raised.value.exceptions) == 4


async def test_path_outside_directory_through_symlink_is_planned_as_failure(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    directory, outside = tmp_path / "directory", tmp_path / "outside"
    directory.mkdir()
    outside.mkdir()
    (directory / "the-item").symlink_to(outside)
    items = pystac.ItemCollection([item_with(origin, "a")])
    plan = await plan_item_collection(items, directory, config=config)
    assert asset_row(plan, "a").action == "fail"
    assert "outside of the directory" in (asset_row(plan, "a").note or "")


async def test_first_available_alternate_is_planned(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    mirrors = {
        "first": {"href": origin.href("/first/a.tif")},
        "second": {"href": origin.href("/second/a.tif")},
    }
    item = item_with(origin, "a", a={"alternate": mirrors})
    origin.remove("/first/a.tif")
    config.alternate_assets = ["first", "second"]
    plan = await plan_item(item, tmp_path, config=config)
    assert asset_row(plan, "a").href == origin.href("/second/a.tif")
    origin.remove("/second/a.tif")
    origin.remove("/a.tif")
    plan = await plan_item(item, tmp_path, config=config)
    assert asset_row(plan, "a").action == "fail"
    assert asset_row(plan, "a").href == origin.href("/first/a.tif")


async def test_needed_bytes_are_compared_with_free_space(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, "a", "b", a={"file:size": 10**18})
    origin.fault("/b.tif", Status(500), times=0)
    plan = await plan_item(item, tmp_path / "new", config=config)
    assert plan.needed == 10**18
    assert plan.free < 10**18
    assert plan.fits is False
    assert ": does not fit." in str(plan)


async def test_totals_are_available_as_text_and_json(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, "a", "b", "c", "d", a={"file:size": 1500}, b={"file:size": 2})
    (tmp_path / "b.tif").write_bytes(b"ab")
    origin.remove("/c.tif")
    origin.fault("/d.tif", Status(500), times=0)
    plan = await plan_item(item, tmp_path, config=config)
    assert str(plan) == (
        "2 to download (1,500 bytes, 1 of unknown size), 1 already present, 1 unavailable. "
        f"{plan.free:,} bytes free: may not fit."
    )
    found = json.loads(json.dumps(plan.to_dict()))
    rows = found.pop("rows")
    assert found == {
        "directory": str(tmp_path),
        "document": str(tmp_path / "the-item.json"),
        "download": 2,
        "skip": 1,
        "fail": 1,
        "needed": 1500,
        "unknown": 1,
        "items": {"files missing": 1},
        "assets": {"new": 2, "present": 1, "cannot be downloaded": 1},
        "requests": 2,
        "seconds": None,
        "cost": None,
        "free": plan.free,
        "fits": None,
        "problems": ["1 of 4 assets cannot be downloaded. Their notes give the reasons."],
    }
    assert [(row["key"], row["action"], row["size"]) for row in rows] == [
        ("a", "download", 1500),
        ("b", "skip", 2),
        ("c", "fail", None),
        ("d", "download", None),
    ]


async def test_plan_contains_no_signatures(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = item_with(origin, "a", "b")
    for asset in item.assets.values():
        asset.href += "?sig=hunter2"
    origin.remove("/b.tif")
    plan = await plan_item(item, tmp_path, config=config)
    assert "hunter2" not in repr(plan) + str(plan) + json.dumps(plan.to_dict())


async def test_max_concurrent_downloads_limits_source_checks(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    keys = [f"a{number}" for number in range(12)]
    origin.fault("*", Delay(0.02), times=0)
    plan = await plan_item(
        item_with(origin, *keys), tmp_path, config=config, max_concurrent_downloads=3
    )
    assert [row.key for row in plan.rows] == keys
    assert origin.in_flight_max <= 3


async def test_plan_of_item_collection_matches_downloaded_files(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = pystac.ItemCollection(
        [
            pystac.Item.from_dict(item_document(origin, "a", "b", name=name))
            for name in ("first", "second")
        ]
    )
    config.file_name_strategy = FileNameStrategy.KEY
    plan = await plan_item_collection(items, tmp_path, config=config, path_template="${year}/${id}")
    assert list(tmp_path.iterdir()) == []
    await download_item_collection(items, tmp_path, config=config, path_template="${year}/${id}")
    files = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {row.path for row in plan.rows} | {plan.document}
    again = await plan_item_collection(
        items, tmp_path, config=config, path_template="${year}/${id}"
    )
    assert again.count("skip") == 4
    assert str(tmp_path / "2026" / "first" / "a.tif") in files


async def test_collection_is_planned(origin: Origin, config: Config, tmp_path: Path) -> None:
    collection = pystac.Collection.from_dict(collection_document(origin, "thumbnail"))
    plan = await plan_collection(collection, tmp_path, config=config)
    assert asset_row(plan, "thumbnail").owner == "collection 'the-collection'"
    assert plan.document == str(tmp_path / "collection.json")


async def test_include_selects_planned_assets(origin: Origin, tmp_path: Path) -> None:
    plan = await plan_item(item_with(origin, "a", "b"), tmp_path, config=Config(include=["b"]))
    assert [row.key for row in plan.rows] == ["b"]


async def test_plan_raises_errors_of_download_before_first_byte(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_with(origin, "a", "b")
    with pytest.raises(ConfigError, match="`include` and `exclude`"):
        await plan_item(item, tmp_path, config=Config(include=["a"], exclude=["b"]))
    with pytest.raises(ConfigError, match="path_template"):
        await plan_item_collection(
            pystac.ItemCollection([item]), tmp_path, path_template="${nonsense}"
        )
    with pytest.raises(NoAssetsError, match="'the-item' has no assets"):
        await plan_item(item_with(origin), tmp_path)
    with pytest.raises(DestinationError, match="does not exist"):
        await plan_item(item, tmp_path / "new", config=Config(make_directory=False))
    with pytest.raises(NoAssetsError, match="no asset has the key 'c'"):
        await plan_item(item, tmp_path, config=Config(include=["c"]))


class MinimalClient(Client):
    """A client with only the required methods."""

    def claims(self, url: URL) -> bool:
        return url.scheme == "magic"

    async def open_url(self, url: URL, **_: Any) -> AsyncIterator[bytes]:
        yield b"magic"


async def test_given_clients_check_sources_and_stay_open(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = item_with(origin, "a", "b")
    item.assets["b"].href = "magic://b.tif/b.tif"
    async with HttpClient(aiohttp.ClientSession(headers={"X-Key": "abc"})) as client:
        clients = [client, MinimalClient()]
        plan = await plan_item(item, tmp_path, config=config, clients=clients)
        assert not client.session.closed
    assert [request.headers["x-key"] for request in origin.requests] == ["abc"]
    assert (asset_row(plan, "b").client, asset_row(plan, "b").size) == ("MinimalClient", None)
    assert asset_row(plan, "b").note == "source reports no size"


async def test_item_is_not_changed(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = item_with(origin, "a")
    before = item.to_dict()
    await plan_item(item, tmp_path, config=config)
    assert item.to_dict() == before
