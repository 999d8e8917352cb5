"""Sources with a new address, and directories with the items of several sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Status, Truncate
from tests.support.mirror_runs import (
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_api,
)


def serve(origin: Origin, path: str, items: list[dict[str, Any]]) -> str:
    """Put an item collection on the origin, and return the href."""
    document = {"type": "FeatureCollection", "features": items}
    return origin.put(path, json.dumps(document).encode())


@pytest.mark.parametrize("former", ["removed", "same items"])
@pytest.mark.parametrize("on_removed", ["mark", "delete"])
async def test_items_removed_before_the_address_changed_are_found(
    origin: Origin, tmp_path: Path, former: str, on_removed: OnRemoved
) -> None:
    items = [build_item(origin, name) for name in ("one", "two", "three")]
    old = serve(origin, "/old.json", items)
    await run_mirror(tmp_path, old)
    new = serve(origin, "/new.json", items[:1])
    if former == "removed":
        origin.remove("/old.json")
    else:
        serve(origin, "/old.json", items[:1])
    origin.forget()
    result = await run_mirror(tmp_path, new, on_removed=on_removed)
    assert (result.reasons, result.removed_ids) == ({}, {"two", "three"})
    assert origin.gets("*.tif") == []
    if on_removed == "delete":
        check_catalog(tmp_path, {"one"})
    assert (await run_mirror(tmp_path, new, on_removed="mark")).removed_ids == set()


async def test_api_with_new_address_is_the_same_source(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, name) for name in ("one", "two")]
    old = serve(origin, "/old.json", items)
    await run_mirror(tmp_path, old)
    origin.remove("/old.json")
    api = serve_api(origin, items[:1])
    assert (await run_mirror(tmp_path, api, on_removed="delete")).removed_ids == {"two"}
    rows = (tmp_path / ".mirror/index.ndjson").read_text().splitlines()
    assert [json.loads(row)["source"] for row in rows] == [api]


async def test_items_that_another_source_still_has_are_kept(origin: Origin, tmp_path: Path) -> None:
    names = ("one", "both")
    first = serve(origin, "/first.json", [build_item(origin, name) for name in names])
    second = serve(origin, "/second.json", [build_item(origin, "both")])
    await run_mirror(tmp_path, first)
    for href in (second, first, second):
        assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == set()
    check_catalog(tmp_path, {"one", "both"})


async def test_items_are_kept_while_the_former_address_does_not_answer(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in ("one", "two")]
    old = serve(origin, "/old.json", items)
    await run_mirror(tmp_path, old)
    new = serve(origin, "/new.json", items[:1])
    origin.fault("/old.json", Status(503), times=0)
    with collect_notices() as notices:
        assert (await run_mirror(tmp_path, new, on_removed="delete")).removed_ids == set()
    assert "the former address of the source does not answer" in notices.lines()[0]
    check_catalog(tmp_path, {"one", "two"})


async def test_unfinished_items_of_the_former_address_are_completed_or_removed(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in ("one", "two", "three")]
    for item in items[1:]:
        path = f"/{item['id']}/data.tif"
        item["assets"]["data"]["href"] = origin.put(path, size=1_000_000)
        origin.fault(path, Truncate(after=100_000), times=0)
    old = serve(origin, "/old.json", items)
    assert (await run_mirror(tmp_path, old)).failed_ids == ["two", "three"]
    origin.heal()
    origin.remove("/old.json")
    new = serve(origin, "/new.json", items[:2])
    assert (await run_mirror(tmp_path, new)).reasons == {"two": "RETRY"}
    assert set(read_item_documents(tmp_path)) == {"one", "two"}
    assert not (tmp_path / "things/three").exists()
    assert not (tmp_path / ".mirror/begun.ndjson").exists()
