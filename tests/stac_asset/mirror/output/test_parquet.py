"""The file `items.parquet` of a mirror."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.output import parquet
from stac_asset.mirror.output.column_types import ColumnTypes, name_of
from stac_asset.notices import collect_notices
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_items


async def mirrored(
    origin: Origin, directory: Path, *items: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Mirror items.

    Returns:
        The items of the GeoParquet file by id, and the notices.
    """
    with collect_notices() as notices:
        await run_mirror(directory, serve_items(origin, list(items)))
    check_catalog(directory, {item["id"] for item in items})
    found = read_items(directory / "items.parquet", "items")
    return {item["id"]: item for item in found}, notices.lines()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, "x"),
        ([], {}),
        ({"a": 1}, [5]),
        (True, 1),
        ([1], ["x"]),
        ([1, "x"], [1]),
        ({"a": {"b": 1}}, {"a": {"b": [1]}}),
        ({"a": {}}, {"a": 1.5}),
    ],
)
async def test_field_with_several_types_is_json_text(
    origin: Origin, tmp_path: Path, first: object, second: object
) -> None:
    one, two = build_item(origin, "one"), build_item(origin, "two")
    one["properties"]["odd"], two["properties"]["odd"] = first, second
    one["assets"]["data"]["odd"], two["assets"]["data"]["odd"] = first, second
    items, notices = await mirrored(origin, tmp_path, one, two)
    assert set(items) == {"one", "two"}
    for name, value in (("one", first), ("two", second)):
        found = items[name]["properties"]["odd"]
        while isinstance(found, dict):  # Only the inner field has several types.
            ((key, found),) = found.items()
            value = value[key]  # type: ignore[index]
        assert json.loads(found) == value
        assert items[name]["assets"]["data"]["href"] == f"./things/{name}/data.tif"
    assert any("several types" in line and "properties.odd" in line for line in notices)


async def test_boxes_with_and_without_heights_and_null_geometries_are_written(
    origin: Origin, tmp_path: Path
) -> None:
    flat, high = build_item(origin, "flat"), build_item(origin, "high")
    high["bbox"] = [10, 50, 0, 10, 50, 900]
    high["properties"] |= {"empty": {}, "list": [], "number": 1}
    flat["properties"] |= {"empty": {}, "list": [1], "number": 1.5}
    derived = build_item(origin, "derived")
    del derived["bbox"]
    nowhere = build_item(origin, "nowhere") | {"geometry": None}
    broken = build_item(origin, "broken")
    broken["geometry"] = {"type": "Polygon", "coordinates": [[[10, 50], ["a"]]]}
    items, notices = await mirrored(origin, tmp_path, flat, high, derived, nowhere, broken)
    assert set(items) == {"flat", "high", "derived"}
    assert all(item["bbox"] == [10.0, 50.0, 10.0, 50.0] for item in items.values())
    assert [items[name]["properties"]["number"] for name in ("flat", "high")] == [1.5, 1.0]
    assert any("Items without a valid geometry" in line for line in notices)


async def test_missing_file_is_written_again(origin: Origin, tmp_path: Path) -> None:
    item = build_item(origin, "one")
    await mirrored(origin, tmp_path, item)
    (tmp_path / "items.parquet").unlink()
    assert set((await mirrored(origin, tmp_path, item))[0]) == {"one"}


async def test_earlier_file_is_kept_if_items_do_not_fit_into_a_table(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "one")
    await mirrored(origin, tmp_path, item)
    before = (tmp_path / "items.parquet").read_bytes()
    changed = copy.deepcopy(item)
    changed["properties"]["deep"] = json.loads("[" * 150 + "]" * 150)
    _, notices = await mirrored(origin, tmp_path, changed)
    assert (tmp_path / "items.parquet").read_bytes() == before
    assert any(line.startswith("items.parquet is not up to date: ") for line in notices)


def test_whole_numbers_are_floats_beside_floats() -> None:
    items: list[dict[str, Any]] = [{"a": 1, "b": [1, 2.5]}, {"a": None, "b": None}, {"a": 0.5}]
    types = ColumnTypes()
    for item in items:
        types.add(item)
    unified = list(types.unified(items))
    assert json.dumps(unified[0]) == '{"a": 1.0, "b": [1.0, 2.5]}'
    assert unified[1:] == items[1:]
    assert types.text_fields() == set()
    types.add({"a": 2**70})
    assert types.text_fields() == {("a",)}
    assert name_of(("links", "[]", "title")) == "links.[].title"


async def test_file_is_written_only_after_changes_or_without_a_record(
    origin: Origin, tmp_path: Path
) -> None:
    item, parquet, record = build_item(origin, "one"), "items.parquet", ".mirror/parquet.json"
    await mirrored(origin, tmp_path, item)
    written = (tmp_path / parquet).stat().st_mtime_ns
    await mirrored(origin, tmp_path, item)
    assert (tmp_path / parquet).stat().st_mtime_ns == written
    # A run that is killed after it wrote the index leaves no record.
    (tmp_path / record).unlink()
    os.utime(tmp_path / parquet, ns=(0, 0))
    await mirrored(origin, tmp_path, item)
    assert (tmp_path / parquet).stat().st_mtime_ns > written
    (tmp_path / parquet).write_bytes(b"of another program")
    assert set((await mirrored(origin, tmp_path, item))[0]) == {"one"}
    (tmp_path / record).write_bytes(b"no JSON")
    assert set((await mirrored(origin, tmp_path, item))[0]) == {"one"}


@pytest.mark.parametrize("batch", [2, 4, 5, 1000])
async def test_items_of_one_and_of_several_batches_have_all_their_fields(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(parquet, "_BATCH_SIZE", batch)
    given = [build_item(origin, f"item-{number}") for number in range(5)]
    given[0]["properties"]["first"], given[4]["properties"]["last"] = "a", 1.5
    items, notices = await mirrored(origin, tmp_path, *given)
    assert sorted(items) == [f"item-{number}" for number in range(5)]
    assert items["item-0"]["properties"]["first"] == "a"
    assert items["item-4"]["properties"]["last"] == 1.5
    assert notices == []
