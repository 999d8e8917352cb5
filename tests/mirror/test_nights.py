"""Nights of a mirror: what is new, changed, failed before or left over, and what is asked for."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stac_asset.errors import ConfigError
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.state.index import read_state
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.mirror.nights import (
    CONFIG,
    NOW,
    check_catalog,
    documents,
    item_of,
    put_api,
    put_items,
    run,
)

DAYS = Criteria(collections=("things",), datetime="last 10 days")


def asked(origin: Origin) -> list[str]:
    """Returns the assets that the origin was asked for, and forgets it."""
    origin_paths = [request.path for request in origin.gets("*.tif")]
    origin_paths += [request.path for request in origin.heads("*.tif")]
    origin.forget()
    return sorted(origin_paths)


def set_updated(item: dict[str, Any], when: str) -> dict[str, Any]:
    new = copy.deepcopy(item)
    new["properties"]["updated"] = when
    return new


async def test_second_night_takes_what_is_new_and_what_changed(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_of(origin, f"item-{number}", "a", "b") for number in range(5)]
    href = put_api(origin, items)
    first = await run(tmp_path / "m", href, DAYS)
    assert set(first.taken.values()) == {"NEW"}
    assert len(asked(origin)) == 10
    check_catalog(tmp_path / "m", {f"item-{number}" for number in range(5)})

    moved = copy.deepcopy(items[1])
    moved["assets"]["b"]["href"] = origin.href("/elsewhere/b.tif?size=70")
    put_api(
        origin,
        [set_updated(items[0], "2026-06-06T00:00:00Z"), moved, *items[2:], item_of(origin, "new")],
    )
    second = await run(tmp_path / "m", href, DAYS)
    assert second.taken == {"item-0": "CHANGED", "item-1": "CHANGED", "new": "NEW"}
    assert second.mirror.changes.unchanged == 3
    # Of the one that says that it changed, nobody knows which assets did.
    assert asked(origin) == [
        "/elsewhere/b.tif",
        "/item-0/a.tif",
        "/item-0/b.tif",
        "/new/data.tif",
    ]
    assert (tmp_path / "m/things/item-1/b.tif").read_bytes() == origin.content(
        "/elsewhere/b.tif?size=70"
    )
    check_catalog(tmp_path / "m", {f"item-{number}" for number in range(5)} | {"new"})

    third = await run(tmp_path / "m", href, DAYS)
    assert third.taken == {}
    assert asked(origin) == []


async def test_bytes_that_changed_under_the_same_href_are_taken(
    origin: Origin, tmp_path: Path
) -> None:
    path = "/item/data.tif"
    origin.put(path, b"old bytes")
    item = item_of(origin, "item")
    item["assets"]["data"]["href"] = origin.href(path)
    href = put_api(origin, [set_updated(item, "2026-06-01T00:00:00Z")])
    await run(tmp_path, href)
    origin.put(path, b"new bytes")
    await run(tmp_path, href)
    assert (tmp_path / "things/item/data.tif").read_bytes() == b"old bytes"
    put_api(origin, [set_updated(item, "2026-06-02T00:00:00Z")])
    await run(tmp_path, href)
    assert (tmp_path / "things/item/data.tif").read_bytes() == b"new bytes"
    check_catalog(tmp_path, {"item"})


async def test_asset_whose_stated_checksum_is_the_same_is_not_fetched_again(
    origin: Origin, tmp_path: Path
) -> None:
    import hashlib

    item = item_of(origin, "item", "a", "b")
    digest = hashlib.sha256(origin.content("/item/a.tif?size=100")).hexdigest()
    item["assets"]["a"]["file:checksum"] = f"1220{digest}"
    href = put_api(origin, [item])
    await run(tmp_path, href)
    asked(origin)
    put_api(origin, [set_updated(item, "2026-06-02T00:00:00Z")])
    assert (await run(tmp_path, href)).taken == {"item": "CHANGED"}
    assert asked(origin) == ["/item/b.tif"]
    check_catalog(tmp_path, {"item"})


async def test_assets_come_and_go_with_the_item_and_with_what_is_wanted(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_of(origin, "item", "a", "b", "c")
    href = put_api(origin, [item])
    some = replace(CONFIG, include=["a", "b"])
    await run(tmp_path, href, config=some)
    assert asked(origin) == ["/item/a.tif", "/item/b.tif"]
    assert (await run(tmp_path, href, config=CONFIG)).taken == {"item": "CHANGED"}
    assert asked(origin) == ["/item/c.tif"]
    assert (await run(tmp_path, href, config=some)).taken == {}
    gone = copy.deepcopy(item)
    del gone["assets"]["b"]
    put_api(origin, [gone])
    assert (await run(tmp_path, href)).taken == {"item": "CHANGED"}
    assert asked(origin) == []
    assert sorted(path.name for path in (tmp_path / "things/item").iterdir()) == [
        "a.tif",
        "c.tif",
        "item.json",
    ]
    check_catalog(tmp_path, {"item"})


async def test_item_that_failed_is_tried_again_and_holds_nothing_back(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_of(origin, f"item-{number}", "a", "b") for number in range(4)]
    for path in ("/item-0/a.tif", "/item-0/b.tif", "/item-2/b.tif"):
        origin.remove(path)
    href = put_api(origin, items)
    first = await run(tmp_path, href, DAYS)
    assert first.failed == ["item-0", "item-2"]
    check_catalog(tmp_path, {"item-1", "item-2", "item-3"})
    assert set(documents(tmp_path)["item-2"]["assets"]) == {"a"}
    asked(origin)

    again = await run(tmp_path, href, DAYS)
    assert again.taken == {"item-0": "RETRY", "item-2": "RETRY"}
    assert again.failed == ["item-0", "item-2"]
    assert asked(origin) == ["/item-0/a.tif", "/item-0/b.tif", "/item-2/b.tif"]

    for path in ("/item-0/a.tif", "/item-0/b.tif", "/item-2/b.tif"):
        origin.put(path, size=100)
    # With a limit of one, what is new goes before what failed.
    put_api(origin, [*items, item_of(origin, "new")])
    assert (await run(tmp_path, href, DAYS, limits=RunSizeLimits(1))).taken == {"new": "NEW"}
    last = await run(tmp_path, href, DAYS)
    assert (last.taken, last.failed) == ({"item-0": "RETRY", "item-2": "RETRY"}, [])
    check_catalog(tmp_path, {f"item-{number}" for number in range(4)} | {"new"})
    assert (await run(tmp_path, href, DAYS)).taken == {}


async def test_item_that_failed_and_left_the_source_is_given_up(
    origin: Origin, tmp_path: Path
) -> None:
    origin.remove("/bad/data.tif")
    href = put_items(origin, [item_of(origin, "good"), item_of(origin, "bad")])
    assert (await run(tmp_path, href)).failed == ["bad"]
    assert (tmp_path / ".mirror/begun.ndjson").exists()
    put_items(origin, [item_of(origin, "good")])
    assert (await run(tmp_path, href)).taken == {}
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_changed_item_whose_download_fails_stays_as_it_was(
    origin: Origin, tmp_path: Path
) -> None:
    item = set_updated(item_of(origin, "item"), "2026-06-01T00:00:00Z")
    href = put_api(origin, [item])
    await run(tmp_path, href)
    before = documents(tmp_path)["item"]
    put_api(origin, [set_updated(item, "2026-06-02T00:00:00Z")])
    origin.remove("/item/data.tif")
    failed = await run(tmp_path, href)
    assert (failed.taken, failed.failed) == ({"item": "CHANGED"}, ["item"])
    assert documents(tmp_path)["item"] == before
    check_catalog(tmp_path, {"item"})
    origin.put("/item/data.tif", size=50)
    assert (await run(tmp_path, href)).failed == []
    assert (tmp_path / "things/item/data.tif").stat().st_size == 50


async def test_late_arrivals_and_missed_nights_are_found(origin: Origin, tmp_path: Path) -> None:
    day = replace(DAYS, datetime="last 1 day", overlap="2 days")
    late, early = item_of(origin, "late", day=7), item_of(origin, "early", day=6)
    href = put_items(origin, [late, early])
    assert (await run(tmp_path, href, day)).found == {"late"}
    missed = item_of(origin, "missed", day=11)
    put_items(origin, [late, early, missed])
    week_later = NOW + timedelta(days=7)
    assert (await run(tmp_path, href, day, now=week_later)).taken == {"missed": "NEW"}
    fresh = await run(tmp_path / "other", href, day, now=week_later)
    assert fresh.taken == {}, "without an earlier run, the window is what it says"


async def test_what_is_left_over_is_taken_next_time_though_the_window_moves(
    origin: Origin, tmp_path: Path
) -> None:
    day = replace(DAYS, datetime="last 1 day", overlap="0 days")
    items = [item_of(origin, f"item-{number}", day=9) for number in range(3)]
    href = put_items(origin, items)
    first = await run(tmp_path, href, day, limits=RunSizeLimits(1))
    assert (len(first.taken), first.limits.left) == (1, 2)
    later = NOW + timedelta(days=5)
    second = await run(tmp_path, href, day, limits=RunSizeLimits(1), now=later)
    assert (len(second.taken), second.limits.left) == (1, 1)
    third = await run(tmp_path, href, day, now=later + timedelta(days=5))
    assert len(third.taken) == 1
    fourth = await run(tmp_path, href, day, now=later + timedelta(days=9))
    assert fourth.found == set()
    check_catalog(tmp_path, {item["id"] for item in items})


async def test_bytes_at_most(origin: Origin, tmp_path: Path) -> None:
    items = [item_of(origin, f"item-{number}") for number in range(5)]
    items[0]["assets"]["data"]["file:size"] = 100
    items[1]["assets"]["data"]["href"] = origin.href("/large.tif?size=1000")
    href = put_api(origin, items)
    first = await run(tmp_path, href, limits=RunSizeLimits(max_bytes=250))
    assert set(first.taken) == {"item-0", "item-2"}
    assert (first.limits.bytes, first.limits.left, first.limits.too_large) == (200, 3, 1)
    # The source was asked for the sizes that items do not say, of as many as it takes.
    heads = [request.path for request in origin.heads()]
    assert heads == ["/large.tif", "/item-2/data.tif", "/item-3/data.tif"]
    assert sum(request.body_sent for request in origin.gets("*.tif")) == 200
    second = await run(tmp_path, href, limits=RunSizeLimits(max_bytes=250))
    assert set(second.taken) == {"item-3", "item-4"}
    third = await run(tmp_path, href, limits=RunSizeLimits(max_bytes=1000))
    assert set(third.taken) == {"item-1"}


async def test_file_that_is_gone_or_cut_is_fetched_again(origin: Origin, tmp_path: Path) -> None:
    href = put_api(origin, [item_of(origin, name, "a", "b") for name in ("one", "two", "three")])
    await run(tmp_path, href)
    asked(origin)
    (tmp_path / "things/one/a.tif").unlink()
    (tmp_path / "things/two/b.tif").write_bytes(b"cut")
    mended = await run(tmp_path, href)
    assert mended.taken == {"one": "FILES_MISSING", "two": "FILES_MISSING"}
    assert asked(origin) == ["/one/a.tif", "/two/b.tif"]
    check_catalog(tmp_path, {"one", "two", "three"})


@pytest.mark.parametrize("changed", [False, True], ids=["same", "changed since"])
async def test_run_that_ended_early_is_continued(
    origin: Origin, tmp_path: Path, changed: bool
) -> None:
    items = [item_of(origin, f"item-{number}") for number in range(4)]
    href = put_api(origin, items)
    await run(tmp_path, href, at_most=2)
    # The third one's file was there, and its document not yet.
    folder = tmp_path / "things/item-2"
    folder.mkdir(parents=True)
    (folder / "data.tif").write_bytes(origin.content("/item-2/data.tif?size=100"))
    asked(origin)
    if changed:
        items[2]["assets"]["data"]["href"] = origin.href("/item-2/data.tif?size=90")
        put_api(origin, items)
    second = await run(tmp_path, href)
    assert second.taken == {"item-2": "NEW", "item-3": "NEW"}
    expected = ["/item-2/data.tif", "/item-3/data.tif"] if changed else ["/item-3/data.tif"]
    assert asked(origin) == expected
    assert (folder / "data.tif").stat().st_size == (90 if changed else 100)
    check_catalog(tmp_path, {f"item-{number}" for number in range(4)})
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_files_of_unknown_origin_are_not_taken_for_the_items(
    origin: Origin, tmp_path: Path
) -> None:
    folder = tmp_path / "things/item"
    folder.mkdir(parents=True)
    (folder / "data.tif").write_bytes(b"whatever")
    await run(tmp_path, put_api(origin, [item_of(origin, "item")]))
    assert (folder / "data.tif").read_bytes() == origin.content("/item/data.tif?size=100")


async def test_index_is_made_anew_where_it_is_missing_or_wrong(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_api(origin, [item_of(origin, f"item-{number}") for number in range(5)])
    await run(tmp_path, href)
    index = tmp_path / ".mirror/index.ndjson"
    whole = index.read_bytes()
    state = read_state(tmp_path)
    assert (len(state.rows), state.documents_read) == (5, 0)
    for damaged in (
        b"",
        whole[:500],
        b"[1]\n{}\nno\n" + whole,
        whole.replace(b"things", b"others"),
    ):
        index.write_bytes(damaged)
        assert read_state(tmp_path).rows == state.rows
        assert (await run(tmp_path, href)).taken == {}
    index.unlink()
    assert read_state(tmp_path).documents_read == 5
    assert (await run(tmp_path, href)).taken == {}
    assert index.read_bytes() == whole
    document = tmp_path / "things/item-0/item-0.json"
    edited = json.loads(document.read_bytes())
    edited["links"] = [link for link in edited["links"] if link["rel"] != "derived_from"]
    document.write_text(json.dumps(edited))
    assert (await run(tmp_path, href)).taken == {"item-0": "NEW"}


async def test_items_that_cannot_be_mirrored_fail_alone(origin: Origin, tmp_path: Path) -> None:
    good = item_of(origin, "good")
    broken = item_of(origin, "broken")
    del broken["properties"]
    nameless = {key: value for key, value in item_of(origin, "x").items() if key != "id"}
    twice = item_of(origin, "twice", "a", "b")
    twice["assets"]["b"]["href"] = twice["assets"]["a"]["href"]
    local = item_of(origin, "local")
    local["assets"]["data"]["href"] = "file:///etc/hostname"
    bare = item_of(origin, "bare") | {"assets": {}}
    shouted = item_of(origin, "GOOD")
    href = put_api(origin, [good, broken, nameless, twice, local, bare, good, shouted])
    ran = await run(tmp_path, href)
    assert ran.failed == ["broken", "twice", "local", "GOOD"]
    assert (ran.mirror.changes.without_id, ran.mirror.changes.duplicates) == (1, 1)
    check_catalog(tmp_path, {"good", "bare"})


@pytest.mark.parametrize(
    ("name", "collection"),
    [
        ("../../outside", "things"),
        ("item", "../../outside"),
        ("..", ".."),
        (".mirror", ".mirror"),
        ("/etc/passwd", "/tmp"),
        ("a/b", "c/d"),
        ("x" * 400, "y" * 400),
        ("collection", "collection"),
        ("catalog.json", None),
        ("é\u0301 %2F #?", "ü"),
    ],
)
async def test_nothing_is_written_outside_whatever_the_ids_say(
    origin: Origin, tmp_path: Path, name: str, collection: str | None
) -> None:
    item = item_of(origin, "plain", collection=collection) | {"id": name}
    directory = tmp_path / "a/b/m"
    href = put_items(origin, [item])
    ran = await run(directory, href)
    inside = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.is_relative_to(directory) for path in inside)
    if ran.failed:
        assert name == "catalog.json"
        return
    check_catalog(directory, {name})
    assert (await run(directory, href)).taken == {}
    assert (
        await run(directory, put_items(origin, [item_of(origin, "x")]), None, "delete")
    ).gone == {name}
    assert set(documents(directory)) == {"x"}


async def test_items_that_fit_into_no_table_are_mirrored_without_an_index(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = item_of(origin, "one"), item_of(origin, "two")
    nowhere = item_of(origin, "nowhere") | {"geometry": None}
    del nowhere["bbox"]
    await run(tmp_path / "m", put_api(origin, [one, two, nowhere]))
    index = read_items(tmp_path / "m/items.parquet", "index")
    assert [item["id"] for item in index] == ["one", "two"]
    (tmp_path / "m/items.parquet").unlink()
    await run(tmp_path / "m", put_api(origin, [one, two, nowhere]))
    assert (tmp_path / "m/items.parquet").exists()
    one["properties"]["odd"], two["properties"]["odd"] = {"a": 1}, [5]
    await run(tmp_path / "odd", put_api(origin, [one, two]))
    assert not (tmp_path / "odd/items.parquet").exists()
    assert "items.parquet is not written" in caplog.text
    check_catalog(tmp_path / "odd", {"one", "two"})


@pytest.mark.parametrize("data", [b'{"type": "Catalog", "id": "mine"}', b"no JSON"])
async def test_directory_with_another_catalog_is_refused(
    origin: Origin, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "catalog.json").write_bytes(data)
    with pytest.raises(
        ConfigError, match=r"`directory` '.*' has a catalog.json that was not written by a mirror"
    ):
        await run(tmp_path, put_api(origin, [item_of(origin, "one")]))
    assert (tmp_path / "catalog.json").read_bytes() == data


async def test_catalog_that_somebody_described_keeps_that(origin: Origin, tmp_path: Path) -> None:
    href = put_api(origin, [item_of(origin, "one")])
    await run(tmp_path, href)
    catalog = json.loads((tmp_path / "catalog.json").read_bytes())
    (tmp_path / "catalog.json").write_text(json.dumps(catalog | {"title": "Mine", "links": []}))
    await run(tmp_path, href)
    assert check_catalog(tmp_path, {"one"}).title == "Mine"


async def test_items_of_several_sources_share_a_mirror(origin: Origin, tmp_path: Path) -> None:
    api = put_api(origin, [item_of(origin, "one")])
    items = put_items(origin, [item_of(origin, "two", collection="others")])
    await run(tmp_path, api, on_removed="delete")
    await run(tmp_path, items, on_removed="delete")
    assert (await run(tmp_path, api, on_removed="delete")).taken == {}
    catalog = check_catalog(tmp_path, {"one", "two"})
    assert {child.id for child in catalog.get_children()} == {"things", "others"}
