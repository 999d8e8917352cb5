"""State of a mirror: the index, and item documents that replace a damaged index."""

from __future__ import annotations

import json
import re
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.lines import blocks_of_lines
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_api

LINES = [
    b"5",
    b"[1]",
    b"{}",
    b'{"version": 5, "since": "x"}',
    b'{"version": {"assets": {}}, "since": [], "search": "", "id": "a", "collection": null}',
    b'{"stamp": [1, 2], "span": [null, null], "id": 5, "source": "", "version": {"assets": {}}}',
    b'{"stamp": 5, "span": "ab", "id": "a", "source": 5, "version": {"assets": 5}, "files": []}',
]


async def test_missing_or_damaged_index_is_rebuilt(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, f"item-{number}") for number in range(5)])
    await run_mirror(tmp_path, href)
    index = tmp_path / ".mirror/index.ndjson"
    whole = index.read_bytes()
    state = read_state(LocalStorage(tmp_path))
    assert (len(state.rows), state.documents_read) == (5, 0)
    for damaged in (
        b"",
        whole[:500],
        b"[1]\n{}\nno\n" + whole,
        whole.replace(b"things", b"others"),
    ):
        index.write_bytes(damaged)
        assert read_state(LocalStorage(tmp_path)).rows == state.rows
        assert (await run_mirror(tmp_path, href)).reasons == {}
    index.unlink()
    assert read_state(LocalStorage(tmp_path)).documents_read == 5
    assert (await run_mirror(tmp_path, href)).reasons == {}
    assert index.read_bytes() == whole
    document = tmp_path / "things/item-0/item-0.json"
    edited = json.loads(document.read_bytes())
    edited["links"] = [link for link in edited["links"] if link["rel"] != "derived_from"]
    document.write_text(json.dumps(edited))
    assert (await run_mirror(tmp_path, href)).reasons == {"item-0": "NEW"}


@pytest.mark.parametrize("field", ["links", "mirror:failed"])
async def test_next_run_repairs_or_tolerates_damaged_item_document(
    origin: Origin, tmp_path: Path, field: str
) -> None:
    href = serve_api(origin, [build_item(origin, "one"), build_item(origin, "two")])
    await run_mirror(tmp_path, href)
    path = tmp_path / "things/one/one.json"
    broken = json.loads(path.read_bytes())
    (broken if field == "links" else broken["links"][-1])[field] = 5
    path.write_text(json.dumps(broken))
    result = await run_mirror(tmp_path, href)
    assert result.reasons == ({"one": "NEW"} if field == "links" else {})
    check_catalog(tmp_path, {"one", "two"})


async def test_index_of_earlier_release_is_read_and_kept(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, name, "a") for name in ("one", "two")])
    await run_mirror(tmp_path, href)
    state = read_state(LocalStorage(tmp_path))
    index = tmp_path / ".mirror/index.ndjson"
    lines = [json.loads(line) for line in index.read_bytes().splitlines()]
    earlier = [line | {"document": f"things/{line['id']}/{line['id']}.json"} for line in lines]
    index.write_text("".join(json.dumps(line) + "\n" for line in reversed(earlier)))
    written = index.read_bytes()
    again = read_state(LocalStorage(tmp_path))
    assert (again.rows, again.documents_read) == (state.rows, 0)
    assert (await run_mirror(tmp_path, href)).reasons == {}
    assert index.read_bytes() == written


async def test_index_row_without_folder_or_with_unsafe_file_is_not_used(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_api(origin, [build_item(origin, name, "a") for name in ("one", "two")])
    await run_mirror(tmp_path, href)
    shutil.rmtree(tmp_path / "things/one")
    index = tmp_path / ".mirror/index.ndjson"
    (tmp_path / "elsewhere.tif").write_bytes(b"II*\0")
    index.write_bytes(re.sub(rb'\["[^"]*",\d+\]', b'["../../elsewhere.tif",4]', index.read_bytes()))
    state = read_state(LocalStorage(tmp_path))
    assert [(key.id, row.missing_files) for key, row in state.rows.items()] == [("two", ("a",))]
    assert {key.id for key in state.rows.incomplete} == {"two"}


def test_rows_need_little_memory() -> None:
    assets = {f"B{number:02}": "d647fb04648732a9" for number in range(5)}
    rows = Rows()
    tracemalloc.start()
    for number in range(1_000):
        key = Key("things", f"item-{number}")
        version = Version("2026-06-01T00:00:00Z", None, assets, "4885c1084af70490", assets)
        files = {name: (f"{name}.tif", 1000) for name in assets}
        rows[key] = IndexRow(key, (number, number), "https://e.com", version, files=files)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 1_000 < 1_000
    assert rows[Key("things", "item-7")].files["B03"] == ("B03.tif", 1000)


@pytest.mark.parametrize("name", ["scene", "\ud800"])
def test_row_is_restored_from_line(name: str) -> None:
    version = Version("2026-06-01T00:00:00Z", None, {name: "d647fb04648732a9"})
    row = IndexRow(
        Key(None, "one"),
        (1, 2**70),
        "https://e.com",
        version,
        failed=(name,),
        files={name: ("a.tif", None)},
        other_files=("b.tif",),
        bbox=[1.0, 2.5, 3.0, 4.0],
        span=("2026-06-01T00:00:00Z", None),
        checked=True,
    )
    assert IndexRow.from_line(row.to_line()) == row


def test_changed_row_is_no_longer_incomplete() -> None:
    key = Key("things", "one")
    row = IndexRow(key, (1, 2), "https://e.com", Version(None, None, {}), missing_files=("a",))
    rows = Rows()
    rows[key] = row
    assert (rows[key].missing_files, rows.incomplete) == (("a",), {key})
    rows[key] = replace(row, missing_files=())
    assert (rows[key].missing_files, rows.incomplete) == ((), set())
    rows[key] = replace(row, failed=("a",))
    assert rows.incomplete == {key}
    del rows[key]
    assert (len(rows), rows.incomplete) == (0, set())


def test_lines_are_read_without_line_breaks(tmp_path: Path) -> None:
    path, storage = tmp_path / "lines.ndjson", LocalStorage(tmp_path)
    assert list(storage.lines(path.name)) == []
    storage.write_blocks(path.name, blocks_of_lines([b"{}", b"", b"no"]))
    assert list(storage.lines(path.name)) == [b"{}", b"", b"no"]
    path.write_bytes(b"1\r\n2")
    assert list(storage.lines(path.name)) == [b"1", b"2"]
    assert list(storage.lines("")) == []


@pytest.mark.parametrize("file", ["index.ndjson", "begun.ndjson"])
@given(lines=st.lists(st.binary(max_size=20) | st.sampled_from(LINES), max_size=4))
def test_any_line_of_state_is_tolerated(file: str, lines: list[bytes]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, ".mirror", file)
        path.parent.mkdir()
        path.write_bytes(b"\n".join(lines))
        state = read_state(LocalStorage(Path(directory)))
    assert (len(state.rows), state.started) == (0, {})
