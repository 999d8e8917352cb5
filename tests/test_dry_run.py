"""The dry run: what it says, and that it says what the download then does."""

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
    AssetOverwriteError,
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
from stac_asset.testing import Delay, NoHead, Origin, Status, WrongType
from tests.make_collection import collection_document
from tests.make_item import item_document


def make(origin: Origin, *keys: str, **fields: dict[str, Any]) -> pystac.Item:
    """Returns an item with an asset for each key, and further fields for some."""
    document = item_document(origin, *keys)
    for key, more in fields.items():
        document["assets"][key] |= more
    return pystac.Item.from_dict(document)


def row(plan: Plan, key: str) -> PlannedAsset:
    (found,) = (row for row in plan.rows if row.key == key)
    return found


async def test_a_row_says_all_there_is_to_know(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=1234)
    plan = await plan_item(make(origin, "a"), tmp_path, config=config)
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
        ),
    )
    assert plan.document == str(tmp_path / "the-item.json")
    assert (plan.needed, plan.unknown, plan.fits) == (1234, 0, True)
    assert plan.free > 0


async def test_file_size_is_believed_and_nobody_asked(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b", a={"file:size": 77})
    plan = await plan_item(item, tmp_path, config=config)
    assert row(plan, "a").size == 77
    assert [request.path for request in origin.requests] == ["/b.tif"]
    assert [request.method for request in origin.requests] == ["HEAD"]


async def test_it_writes_nothing(origin: Origin, config: Config, tmp_path: Path) -> None:
    plan = await plan_item(make(origin, "a"), tmp_path / "not" / "there", config=config)
    assert plan.count("download") == 1
    assert list(tmp_path.iterdir()) == []


async def test_what_is_there_is_skipped_and_left_as_it_is(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b", a={"file:size": 3}, b={"file:size": 3})
    leftover = tmp_path / ".a.tif.part"
    for path, data in ((tmp_path / "a.tif", b"abc"), (tmp_path / "b.tif", b"ab"), (leftover, b"")):
        path.write_bytes(data)
    plan = await plan_item(item, tmp_path, config=config)
    assert (row(plan, "a").action, row(plan, "a").size) == ("skip", 3)
    assert row(plan, "a").note == "file already exists"
    assert row(plan, "b").action == "download"
    assert origin.requests == []
    assert leftover.exists()
    config.overwrite = True
    plan = await plan_item(item, tmp_path, config=config)
    assert plan.count("download") == 2


async def test_a_source_that_does_not_have_it_is_noted_as_missing(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/a.tif")
    found = row(await plan_item(make(origin, "a"), tmp_path, config=config), "a")
    assert found.action == "fail"
    assert found.note is not None
    assert found.note.startswith("missing: 404")


@pytest.mark.parametrize("status", [500, 403])
async def test_a_source_that_cannot_be_asked_leaves_the_size_unknown(
    origin: Origin, config: Config, tmp_path: Path, status: int
) -> None:
    origin.fault("/a.tif", Status(status), times=0)
    plan = await plan_item(make(origin, "a", "b", b={"file:size": 5}), tmp_path, config=config)
    found = row(plan, "a")
    assert (found.action, found.size) == ("download", None)
    assert found.note is not None
    assert found.note.startswith(f"source cannot be checked: {status}")
    assert (plan.needed, plan.unknown, plan.fits) == (5, 1, None)


async def test_a_source_is_asked_again_after_a_transient_fault(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.fault("/a.tif", Status(503))
    plan = await plan_item(make(origin, "a"), tmp_path, config=config)
    assert row(plan, "a").size == len(origin.content("/a.tif"))


async def test_a_server_that_forbids_head_is_asked_for_one_byte(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=100_000)
    origin.fault("/a.tif", NoHead(), times=0)
    plan = await plan_item(make(origin, "a"), tmp_path, config=config)
    assert row(plan, "a").size == 100_000
    assert origin.bytes_sent == 1


async def test_what_would_fail_says_why(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = make(origin, "scheme", "local", "type", "empty", type={"type": "image/png"})
    item.assets["scheme"].href = "gopher://example.com/a.tif"
    item.assets["local"].href = "/etc/hostname"
    item.assets["empty"].href = ""
    origin.fault("/type.tif", WrongType("text/html"), times=0)
    plan = await plan_item(item, tmp_path, config=config)
    assert plan.count("fail") == 4
    for key, words in {
        "scheme": "No client claims",
        "local": "references local file",
        "type": "text/html",
        "empty": "empty",
    }.items():
        assert words in (row(plan, key).note or "")
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    assert len(raised.value.exceptions) == 4


async def test_a_path_that_leaves_by_a_symlink_would_fail(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    directory, outside = tmp_path / "directory", tmp_path / "outside"
    directory.mkdir()
    outside.mkdir()
    (directory / "the-item").symlink_to(outside)
    items = pystac.ItemCollection([make(origin, "a")])
    plan = await plan_item_collection(items, directory, config=config)
    assert row(plan, "a").action == "fail"
    assert "outside of the directory" in (row(plan, "a").note or "")


async def test_the_alternate_that_can_be_had_is_planned(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    mirrors = {
        "first": {"href": origin.href("/first/a.tif")},
        "second": {"href": origin.href("/second/a.tif")},
    }
    item = make(origin, "a", a={"alternate": mirrors})
    origin.remove("/first/a.tif")
    config.alternate_assets = ["first", "second"]
    plan = await plan_item(item, tmp_path, config=config)
    assert row(plan, "a").href == origin.href("/second/a.tif")
    origin.remove("/second/a.tif")
    origin.remove("/a.tif")
    plan = await plan_item(item, tmp_path, config=config)
    assert row(plan, "a").action == "fail"
    assert row(plan, "a").href == origin.href("/first/a.tif")


async def test_bytes_are_held_against_the_room_there_is(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b", a={"file:size": 10**18})
    origin.fault("/b.tif", Status(500), times=0)
    plan = await plan_item(item, tmp_path / "new", config=config)
    assert plan.needed == 10**18
    assert plan.free < 10**18
    assert plan.fits is False
    assert ": does not fit." in str(plan)


async def test_totals_as_text_and_as_json(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = make(origin, "a", "b", "c", "d", a={"file:size": 1500}, b={"file:size": 2})
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
        "free": plan.free,
        "fits": None,
    }
    assert [(row["key"], row["action"], row["size"]) for row in rows] == [
        ("a", "download", 1500),
        ("b", "skip", 2),
        ("c", "fail", None),
        ("d", "download", None),
    ]


async def test_no_secret_is_shown(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = make(origin, "a", "b")
    for asset in item.assets.values():
        asset.href += "?sig=hunter2"
    origin.remove("/b.tif")
    plan = await plan_item(item, tmp_path, config=config)
    assert "hunter2" not in repr(plan) + str(plan) + json.dumps(plan.to_dict())


async def test_sources_are_asked_a_bounded_number_at_a_time(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    keys = [f"a{number}" for number in range(12)]
    origin.fault("*", Delay(0.02), times=0)
    plan = await plan_item(make(origin, *keys), tmp_path, config=config, max_concurrent_downloads=3)
    assert [row.key for row in plan.rows] == keys
    assert origin.in_flight_max <= 3


async def test_item_collections_by_template_and_as_the_download_does(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = pystac.ItemCollection(
        [
            pystac.Item.from_dict(item_document(origin, "a", "b", name=name))
            for name in ("one", "two")
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
    assert str(tmp_path / "2026" / "one" / "a.tif") in files


async def test_collections(origin: Origin, config: Config, tmp_path: Path) -> None:
    collection = pystac.Collection.from_dict(collection_document(origin, "thumbnail"))
    plan = await plan_collection(collection, tmp_path, config=config)
    assert row(plan, "thumbnail").owner == "collection 'the-collection'"
    assert plan.document == str(tmp_path / "collection.json")


async def test_include_is_respected(origin: Origin, tmp_path: Path) -> None:
    plan = await plan_item(make(origin, "a", "b"), tmp_path, config=Config(include=["b"]))
    assert [row.key for row in plan.rows] == ["b"]


async def test_it_raises_what_the_download_raises_before_a_byte_moves(
    origin: Origin, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
    with pytest.raises(ConfigError, match="include and exclude"):
        await plan_item(item, tmp_path, config=Config(include=["a"], exclude=["b"]))
    with pytest.raises(ConfigError, match="path_template"):
        await plan_item_collection(
            pystac.ItemCollection([item]), tmp_path, path_template="${nonsense}"
        )
    with pytest.raises(NoAssetsError, match="'the-item' has no assets"):
        await plan_item(make(origin), tmp_path)
    with pytest.raises(DestinationError, match="does not exist"):
        await plan_item(item, tmp_path / "new", config=Config(make_directory=False))
    item.assets["b"].href = origin.href("/elsewhere/a.tif")
    with pytest.raises(AssetOverwriteError, match="would share the file"):
        await plan_item(item, tmp_path)


class NamelessClient(Client):
    """The least that a client can be."""

    def claims(self, url: URL) -> bool:
        return url.scheme == "magic"

    async def open_url(self, url: URL, **_: Any) -> AsyncIterator[bytes]:
        yield b"magic"


async def test_the_callers_clients_are_asked_and_stay_open(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
    item.assets["b"].href = "magic://b.tif/b.tif"
    async with HttpClient(aiohttp.ClientSession(headers={"X-Key": "abc"})) as client:
        clients = [client, NamelessClient()]
        plan = await plan_item(item, tmp_path, config=config, clients=clients)
        assert not client.session.closed
    assert [request.headers["x-key"] for request in origin.requests] == ["abc"]
    assert (row(plan, "b").client, row(plan, "b").size) == ("NamelessClient", None)
    assert row(plan, "b").note == "source reports no size"


async def test_the_callers_item_stays_as_it_is(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    before = item.to_dict()
    await plan_item(item, tmp_path, config=config)
    assert item.to_dict() == before
