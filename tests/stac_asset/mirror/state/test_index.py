"""State of a mirror: the index, and item documents that replace a damaged index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stac_asset.mirror.state.index import read_state
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
