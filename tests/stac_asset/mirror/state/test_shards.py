"""Shards of the index of a mirror with many items."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.index_files import depth_of
from stac_asset.mirror.state.placement import depth_for, place_of
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.mirror.unknown_files import unknown_files
from stac_asset.testing import Origin
from tests.support.large_mirrors import file_versions, shard_of_item, write_large_mirror
from tests.support.mirror_runs import check_catalog, run_mirror, serve_items

COUNT = 600
CHANGED = ("item-000007", "item-000300")


async def test_run_rewrites_only_the_shards_of_changed_items(
    origin: Origin, tmp_path: Path
) -> None:
    items = write_large_mirror(tmp_path, origin, COUNT, with_index=True)
    href, shards = origin.href("/items.json"), tmp_path / ".mirror/index"
    await run_mirror(tmp_path, href)
    first = file_versions(shards)
    assert set(first) == {f"{digit:x}.ndjson" for digit in range(16)}

    changed = copy.deepcopy(items)
    for item in changed:
        if item["id"] in CHANGED:
            item["properties"]["note"] = "new"
    serve_items(origin, changed)
    assert (await run_mirror(tmp_path, href)).metadata_ids == set(CHANGED)
    second = file_versions(shards)
    assert {name for name in second if second[name] != first[name]} == {
        shard_of_item(name) for name in CHANGED
    }

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    last = await run_mirror(tmp_path, href)
    assert (last.mirror.changes.unchanged, last.metadata_ids) == (COUNT, set())
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert unknown_files(tmp_path) == []


async def test_index_without_shards_is_migrated_without_reading_items(
    origin: Origin, tmp_path: Path
) -> None:
    write_large_mirror(tmp_path, origin, COUNT, with_index=True)
    href, index = origin.href("/items.json"), tmp_path / ".mirror/index.ndjson"
    # Earlier releases stored a digest of another algorithm.
    old = index.read_bytes().replace(b'{"', b'{"digest": "0123456789abcdef", "', 1)
    index.write_bytes(old)
    state = read_state(LocalStorage(tmp_path))
    assert (len(state.rows), state.documents_read) == (COUNT, 0)

    run = await run_mirror(tmp_path, href)
    assert (run.reasons, run.metadata_ids) == ({}, set())
    assert not index.exists()
    check_catalog(tmp_path, {key.id for key in state.rows})
    migrated = read_state(LocalStorage(tmp_path))
    assert (migrated.rows, migrated.documents_read) == (state.rows, 0)
    assert not {row.source_digest for row in migrated.rows.values()} & {None, 0x0123456789ABCDEF}

    # A run that was killed during the migration leaves both forms.
    index.write_bytes(old)
    (tmp_path / ".mirror/index/3.ndjson").unlink()
    mixed = read_state(LocalStorage(tmp_path))
    assert (mixed.rows, mixed.documents_read) == (state.rows, 0)
    assert (await run_mirror(tmp_path, href)).reasons == {}
    assert not index.exists()
    settled = read_state(LocalStorage(tmp_path))
    assert (settled.rows, settled.documents_read) == (state.rows, 0)


async def test_incomplete_item_with_several_rows_stays_incomplete(
    origin: Origin, tmp_path: Path
) -> None:
    items = write_large_mirror(tmp_path, origin, COUNT, with_index=True)
    path = tmp_path / "things/item-000007/item-000007.json"
    document = json.loads(path.read_bytes())
    document["assets"] = {"data": {"href": "./lost.tif", "file:size": 100}}
    path.write_text(json.dumps(document))
    serve_items(origin, items[:7] + items[8:])
    await run_mirror(tmp_path, origin.href("/items.json"))
    # A run that was killed during a change of the depth leaves both forms.
    shards = sorted((tmp_path / ".mirror/index").iterdir())
    index = tmp_path / ".mirror/index.ndjson"
    index.write_bytes(b"".join(shard.read_bytes() for shard in shards))
    rows = read_state(LocalStorage(tmp_path)).rows
    assert {key.id for key in rows.incomplete} == {"item-000007"}
    assert rows[Key("things", "item-000007")].missing_files == ("data",)


async def test_lost_or_damaged_shard_is_rebuilt_from_its_documents(
    origin: Origin, tmp_path: Path
) -> None:
    write_large_mirror(tmp_path, origin, COUNT, with_index=True)
    href, shards = origin.href("/items.json"), tmp_path / ".mirror/index"
    await run_mirror(tmp_path, href)
    whole = {path.name: path.read_bytes() for path in shards.iterdir()}
    rows = len(whole["a.ndjson"].splitlines()) + len(whole["c.ndjson"].splitlines())
    (shards / "a.ndjson").unlink()
    (shards / "c.ndjson").write_bytes(b"no JSON\n" + whole["c.ndjson"][:100])
    assert read_state(LocalStorage(tmp_path)).documents_read == rows
    run = await run_mirror(tmp_path, href)
    assert (run.reasons, run.mirror.changes.unchanged) == ({}, COUNT)
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == whole


async def test_removed_items_leave_their_shards(origin: Origin, tmp_path: Path) -> None:
    items = write_large_mirror(tmp_path, origin, COUNT, with_index=True)
    href, shards = origin.href("/items.json"), tmp_path / ".mirror/index"
    await run_mirror(tmp_path, href)
    first = file_versions(shards)
    serve_items(origin, [item for item in items if item["id"] not in CHANGED])
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == set(CHANGED)
    second = file_versions(shards)
    assert {name for name in second if second[name] != first[name]} == {
        shard_of_item(name) for name in CHANGED
    }
    lines = [line for path in shards.iterdir() for line in path.read_bytes().splitlines()]
    found = {json.loads(line)["id"] for line in lines}
    assert found == {item["id"] for item in items}.difference(CHANGED)
    check_catalog(tmp_path, found)


@pytest.mark.parametrize(
    ("count", "current", "depth"),
    [
        (0, 0, 0),
        (500, 0, 0),
        (501, 0, 1),
        (300, 1, 1),
        (200, 1, 0),
        (8_000, 1, 1),
        (8_001, 1, 2),
        (5_000, 2, 2),
        (1_000_000, 0, 3),
        (10**9, 0, 4),
    ],
)
def test_depth_follows_the_number_of_items(count: int, current: int, depth: int) -> None:
    assert depth_for(count, current) == depth


def test_depth_of_files_of_two_runs_is_unknown() -> None:
    assert depth_of([]) is None
    assert depth_of([".mirror/index.ndjson"]) == 0
    assert depth_of([".mirror/index/00.ndjson", ".mirror/index/ff.ndjson"]) == 2
    assert depth_of([".mirror/index.ndjson", ".mirror/index/ff.ndjson"]) is None


def test_items_with_similar_folders_share_a_place() -> None:
    assert place_of(Key("Things", "ONE")) == place_of(Key("things", "one"))
    assert place_of(Key("things", "e\u0301")) == place_of(Key("things", "\u00e9"))
    assert place_of(Key("things", "one")) != place_of(Key("things", "two"))
