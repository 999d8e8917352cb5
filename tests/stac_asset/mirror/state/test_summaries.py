"""Runs that read some of the shards of a mirror's index, and the summaries of the others."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.mirror.layout import COLLECTION
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.index_reader import IndexReader
from stac_asset.mirror.state.placement import place_of_folder
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin
from tests.support.killed_storage import KilledError, KilledStorage
from tests.support.large_mirrors import shard_of_item, write_large_mirror
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_items
from tests.support.recorded_storage import RecordedStorage

COUNT = 600
NAME = "item-000008"
COLLECTION_SHARD = f"{place_of_folder('things') >> 60:x}.ndjson"
"""The shard with items whose folder can contain the folder of the collection."""

SUMMARIES = ".mirror/index.json"


async def write_mirror(origin: Origin, directory: Path) -> tuple[str, list[dict[str, Any]]]:
    """Write a mirror with shards and summaries, and return the href and the items of the source."""
    items = write_large_mirror(directory, origin, COUNT, with_index=True)
    await run_mirror(directory, origin.href("/items.json"))
    return origin.href("/items.json"), items


def other_shard() -> str:
    """Return a shard that the tests do not change."""
    names = {shard_of_item(NAME), COLLECTION_SHARD}
    return next(one for one in (f"{n:x}.ndjson" for n in range(16)) if one not in names)


def with_note(item: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(item)
    changed["properties"]["note"] = "new"
    return changed


async def test_run_reads_and_writes_only_the_shards_of_found_items(
    origin: Origin, tmp_path: Path
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    collection = (tmp_path / "things/collection.json").read_bytes()
    serve_items(origin, [with_note(items[8])])
    files, read = RecordedStorage(tmp_path), set[str]()

    async def record() -> None:
        read.update(files.read_shards)

    run = await run_mirror(tmp_path, href, files=files, during=record)
    assert run.metadata_ids == {NAME}
    assert len(run.mirror.changes.state.rows) == COUNT
    # Later, the single GeoParquet file of a mirror of this size is written from all items.
    assert read == {shard_of_item(NAME), COLLECTION_SHARD}
    assert files.written_state - {".mirror/begun.ndjson"} == {
        f".mirror/index/{shard_of_item(NAME)}",
        ".mirror/parquet.json",
        SUMMARIES,
    }
    assert (tmp_path / "things/collection.json").read_bytes() == collection

    files = RecordedStorage(tmp_path)
    run = await run_mirror(tmp_path, href, files=files)
    assert (run.mirror.changes.unchanged, run.metadata_ids) == (1, set())
    assert files.read_shards == {shard_of_item(NAME), COLLECTION_SHARD}
    assert files.written_state == set()


async def test_new_item_is_linked_with_the_items_of_unread_shards(
    origin: Origin, tmp_path: Path
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    new = build_item(origin, "new") | {"bbox": [20.0, 50.0, 20.0, 50.0]}
    serve_items(origin, [new])
    run = await run_mirror(tmp_path, href)
    assert run.reasons == {"new": "NEW"}
    document = json.loads((tmp_path / "things/collection.json").read_bytes())
    assert document["extent"]["spatial"]["bbox"] == [[10.0, 50.0, 20.0, 50.0]]
    names = {item["id"] for item in items} | {"new"}
    check_catalog(tmp_path, names)
    assert {key.id for key in read_state(LocalStorage(tmp_path)).rows} == names

    serve_items(origin, [*items, new])
    run = await run_mirror(tmp_path, href)
    assert (run.reasons, run.mirror.changes.unchanged) == ({}, COUNT + 1)
    assert run.mirror.changes.state.documents_read == 0


async def test_answer_with_most_items_reads_all_shards(origin: Origin, tmp_path: Path) -> None:
    href, items = await write_mirror(origin, tmp_path)
    serve_items(origin, items[:100])
    files = RecordedStorage(tmp_path)
    run = await run_mirror(tmp_path, href, files=files)
    assert run.mirror.changes.unchanged == 100
    assert len(files.read_shards) == 16


async def test_removed_items_are_found_in_unread_shards(origin: Origin, tmp_path: Path) -> None:
    href, items = await write_mirror(origin, tmp_path)
    serve_items(origin, items[:1])
    run = await run_mirror(tmp_path, href, on_removed="mark")
    assert run.removed_ids == {item["id"] for item in items[1:]}


async def test_shard_with_incomplete_item_is_read_in_each_run(
    origin: Origin, tmp_path: Path
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    # The document of the last item names a file that the mirror does not have.
    last = tmp_path / "things/item-000599/item-000599.json"
    document = json.loads(last.read_bytes())
    document["assets"] = {"data": {"href": "./lost.tif", "file:size": 100}}
    last.write_text(json.dumps(document))
    serve_items(origin, [*items[:-1]])
    await run_mirror(tmp_path, href)
    serve_items(origin, items[8:9])
    files = RecordedStorage(tmp_path)
    run = await run_mirror(tmp_path, href, files=files)
    assert shard_of_item("item-000599") in files.read_shards
    assert {key.id for key in run.mirror.changes.state.rows.incomplete} == {"item-000599"}


async def test_document_without_row_is_read_with_its_shard(origin: Origin, tmp_path: Path) -> None:
    href, items = await write_mirror(origin, tmp_path)
    path = tmp_path / "things/item-000008/item-000008.json"
    document = json.loads(path.read_bytes())
    document["properties"]["note"] = "new"
    path.write_text(json.dumps(document))
    serve_items(origin, [items[8]])
    run = await run_mirror(tmp_path, href)
    assert (run.reasons, run.mirror.changes.state.documents_read) == ({}, 1)
    assert len(read_state(LocalStorage(tmp_path)).rows) == COUNT


@pytest.mark.parametrize("summary", [None, b"", b"{}", b'{"collections": 5, "shards": {"0": 1}}'])
async def test_missing_or_damaged_summaries_are_written_again(
    origin: Origin, tmp_path: Path, summary: bytes | None
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    path = tmp_path / SUMMARIES
    before = path.read_bytes()
    if summary is None:
        path.unlink()
    else:
        path.write_bytes(summary)
    serve_items(origin, [items[8]])
    files = RecordedStorage(tmp_path)
    await run_mirror(tmp_path, href, files=files)
    assert len(files.read_shards) == 16
    assert path.read_bytes() == before


async def test_shard_that_differs_from_its_summary_is_read(origin: Origin, tmp_path: Path) -> None:
    href, items = await write_mirror(origin, tmp_path)
    names, other = {shard_of_item(NAME), COLLECTION_SHARD}, other_shard()
    os.utime(tmp_path / ".mirror/index" / other, (1, 1))
    serve_items(origin, [items[8]])
    files = RecordedStorage(tmp_path)
    run = await run_mirror(tmp_path, href, files=files)
    assert files.read_shards == names | {other}
    assert len(run.mirror.changes.state.rows) == COUNT
    files = RecordedStorage(tmp_path)
    await run_mirror(tmp_path, href, files=files)
    assert files.read_shards == names


@pytest.mark.parametrize("damage", ["removed", "cut", "blank"])
async def test_lost_or_damaged_shard_is_rebuilt_after_a_short_answer(
    origin: Origin, tmp_path: Path, damage: str
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    shard = tmp_path / ".mirror/index" / other_shard()
    before = shard.read_bytes()
    if damage == "removed":
        shard.unlink()
    elif damage == "cut":
        shard.write_bytes(before[:100])
    else:
        found = shard.stat()
        shard.write_bytes(b"\n" * len(before))
        os.utime(shard, ns=(found.st_atime_ns, found.st_mtime_ns))
    item = next(one for one in items if shard_of_item(one["id"]) == shard.name)
    state = read_state(LocalStorage(tmp_path), whole=False)
    state.read_items([Key("things", item["id"])])
    assert len(state.rows) == COUNT
    serve_items(origin, [with_note(item)])
    run = await run_mirror(tmp_path, href)
    assert len(run.mirror.changes.state.rows) == COUNT
    check_catalog(tmp_path, {item["id"] for item in items})
    assert len(shard.read_bytes().splitlines()) == len(before.splitlines())
    assert read_state(LocalStorage(tmp_path)).documents_read == 0


async def test_removed_document_of_an_unread_shard_is_not_linked(
    origin: Origin, tmp_path: Path
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    lost = next(item["id"] for item in items if shard_of_item(item["id"]) == other_shard())
    shutil.rmtree(tmp_path / "things" / lost)
    # The smaller extent requires the rows of all items.
    moved = with_note(items[8]) | {"bbox": [11.0, 50.0, 11.0, 50.0]}
    serve_items(origin, [moved])
    await run_mirror(tmp_path, href)
    names = {item["id"] for item in items} - {lost}
    assert {key.id for key in read_state(LocalStorage(tmp_path)).rows} == names
    check_catalog(tmp_path, names)


async def test_item_of_a_run_that_was_killed_before_the_index_is_linked(
    origin: Origin, tmp_path: Path
) -> None:
    href, items = await write_mirror(origin, tmp_path)
    serve_items(origin, [build_item(origin, "new")])
    files = KilledStorage(tmp_path, lambda path: path == f"things/{COLLECTION}")
    with pytest.raises(KilledError):
        await run_mirror(tmp_path, href, files=files)
    assert (tmp_path / "things/new/new.json").is_file()
    # The item leaves the source before the next run.
    serve_items(origin, [items[8]])
    await run_mirror(tmp_path, href)
    check_catalog(tmp_path, {item["id"] for item in items} | {"new"})
    assert read_state(LocalStorage(tmp_path)).documents_read == 0
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_rows_in_the_wrong_shard_are_not_read(origin: Origin, tmp_path: Path) -> None:
    await write_mirror(origin, tmp_path)
    index = tmp_path / ".mirror" / "index"
    with (index / shard_of_item(NAME)).open("ab") as file:
        file.write((index / other_shard()).read_bytes())
    reader = IndexReader(LocalStorage(tmp_path), Config())
    reader.read_part([Key("things", NAME)])
    assert Key("things", NAME) in reader.rows
    assert len(reader.rows) == COUNT
