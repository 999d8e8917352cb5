"""Files in mirrors that no record names are found, and removed on request."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stac_asset.destinations.local.documents import new_file
from stac_asset.errors import DestinationError
from stac_asset.mirror.state.index import write_positions, write_searched
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.mirror.unknown_files import remove_unknown_files, unknown_files
from stac_asset.testing import Origin, Truncate
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_items


async def mirror_with_unfinished_item(origin: Origin, directory: Path) -> None:
    """Mirror a complete item, an item with a failed asset, and an item with a part file."""
    half, broken = build_item(origin, "half", "a", "b"), build_item(origin, "broken")
    origin.remove("/half/b.tif")
    broken["assets"]["data"]["href"] = origin.put("/broken/data.tif", size=1_000_000)
    origin.fault("/broken/data.tif", Truncate(after=100_000), times=0)
    plain = build_item(origin, "plain", collection=None)
    items = [build_item(origin, "good"), half, broken, plain]
    await run_mirror(directory, serve_items(origin, items))
    assert (directory / "things/broken/.data.tif.part").exists()
    (directory / "sync.report.ndjson").write_text("")
    write_positions(LocalStorage(directory), {"search": "position"})
    write_searched(LocalStorage(directory), {"search": "2026-06-01T00:00:00Z"})


def all_files(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


async def test_files_of_a_mirror_are_known(origin: Origin, tmp_path: Path) -> None:
    await mirror_with_unfinished_item(origin, tmp_path)
    files = all_files(tmp_path)
    assert unknown_files(tmp_path) == []
    assert remove_unknown_files(tmp_path) == []
    assert all_files(tmp_path) == files


async def test_unknown_files_are_removed_on_request(origin: Origin, tmp_path: Path) -> None:
    mirror, outside = tmp_path / "mirrors/m", tmp_path / "outside"
    await mirror_with_unfinished_item(origin, mirror)
    files = all_files(mirror)
    outside.mkdir()
    (outside / "mine.tif").write_bytes(b"mine")
    names = ["things/good/old.tif", "things/good/.old.tif.part", "things/gone/a/x.tif", "notes.txt"]
    for name in (*names, "report.ndjson"):
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_text("x")
    os.symlink(outside / "mine.tif", mirror / "things/link.tif")
    os.symlink(outside, mirror / "things/folder")
    (tmp_path / "mirrors/own.txt").write_text("not in a mirror")
    keep = [str(mirror / "report.ndjson")]
    expected = {str(mirror / name) for name in (*names, "things/link.tif")}
    assert set(unknown_files(tmp_path, keep)) == expected
    assert set(remove_unknown_files(tmp_path, keep)) == expected
    assert all_files(mirror) - {mirror / "report.ndjson"} == files
    assert (outside / "mine.tif").read_bytes() == b"mine"
    assert (tmp_path / "mirrors/own.txt").exists()
    assert not (mirror / "things/gone").exists()
    check_catalog(mirror, {"good", "half", "plain"})
    origin.heal()
    origin.put("/half/b.tif", size=100)
    await run_mirror(mirror, origin.href("/items.json"))
    assert unknown_files(mirror, keep) == []


async def test_unknown_files_are_not_removed_during_a_run(origin: Origin, tmp_path: Path) -> None:
    await mirror_with_unfinished_item(origin, tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with new_file(tmp_path / "sync.report.ndjson", tmp_path):
        assert unknown_files(tmp_path) == [str(tmp_path / "notes.txt")]
        with pytest.raises(DestinationError, match="a run of the mirror is in progress"):
            remove_unknown_files(tmp_path)
    assert (tmp_path / "notes.txt").exists()


async def test_mirror_in_a_mirror_and_other_directories_are_kept(
    origin: Origin, tmp_path: Path
) -> None:
    await mirror_with_unfinished_item(origin, tmp_path)
    await mirror_with_unfinished_item(origin, tmp_path / "inner")
    files = all_files(tmp_path)
    assert remove_unknown_files(tmp_path) == []
    assert all_files(tmp_path) == files
    assert unknown_files(tmp_path / "things/good") == []
    assert unknown_files(tmp_path / "absent") == []


async def test_files_of_unfinished_items_of_earlier_releases_are_kept(
    origin: Origin, tmp_path: Path
) -> None:
    await mirror_with_unfinished_item(origin, tmp_path)
    path = tmp_path / ".mirror/begun.ndjson"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["files"], line["source"]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert unknown_files(tmp_path) == []
