"""State of a mirror: the index, and item documents that replace a damaged index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.lines import read_lines
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_api


async def test_missing_or_damaged_index_is_rebuilt(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, f"item-{number}") for number in range(5)])
    await run_mirror(tmp_path, href)
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
        assert (await run_mirror(tmp_path, href)).reasons == {}
    index.unlink()
    assert read_state(tmp_path).documents_read == 5
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


async def test_rows_of_many_items_share_equal_texts(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, name, "a") for name in ("one", "two")]
    href = serve_api(origin, items)
    await run_mirror(tmp_path, href)
    run = await run_mirror(tmp_path, href)
    rows = run.mirror.changes.state.rows
    first, second = rows.values()
    assert first.source is second.source
    assert first.key.collection is second.key.collection
    for row in rows.values():
        assert row.span[0] is row.span[1]
        assert row.version.earlier_assets is first.version.earlier_assets
        assert any(key is row.key for key in run.mirror.changes.seen)
    for mapping in (lambda row: row.files, lambda row: row.version.assets):
        assert next(iter(mapping(first))) is next(iter(mapping(second)))


def test_invalid_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "lines.ndjson"
    assert list(read_lines(path)) == []
    path.write_bytes(b'{"a": 1}\r\n\n[2]\n{"b": \xff}\n{"c": 3}')
    assert list(read_lines(path)) == [{"a": 1}, {"c": 3}]
    assert list(read_lines(tmp_path)) == []
