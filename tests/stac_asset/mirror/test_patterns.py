"""Mirrors whose assets are selected by globs, roles and media types."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from stac_asset.audit import audit_mirror
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    CONFIG,
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_api,
    serve_items,
)

DATA = replace(CONFIG, include=["role:data"])
ROLES = {"B04": "data", "B08": "data", "preview": "overview"}


def item_with_roles(origin: Origin, name: str, roles: dict[str, str] = ROLES) -> dict[str, Any]:
    item = build_item(origin, name, *roles)
    for key, role in roles.items():
        item["assets"][key]["roles"] = [role]
    return item


def mirrored(directory: Path) -> dict[str, list[str]]:
    """Return the keys of the assets of each document."""
    return {name: list(one["assets"]) for name, one in read_item_documents(directory).items()}


async def test_mirror_follows_roles_and_changes_of_the_selection(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_with_roles(origin, "item")
    href = serve_api(origin, [item])
    await run_mirror(tmp_path, href, config=DATA)
    assert mirrored(tmp_path) == {"item": ["B04", "B08"]}
    assert (await run_mirror(tmp_path, href, config=DATA)).reasons == {}
    # The narrower selections need no run, and the wider one completes the item.
    for include in (["B0*"], ["B04"], ["role:d*"]):
        config = replace(CONFIG, include=include)
        assert (await run_mirror(tmp_path, href, config=config)).reasons == {}
    wider = replace(CONFIG, exclude=["type:text/*"])
    assert (await run_mirror(tmp_path, href, config=wider)).reasons == {"item": "CHANGED"}
    assert mirrored(tmp_path) == {"item": list(ROLES)}
    assert (await run_mirror(tmp_path, href, config=DATA)).reasons == {}
    check_catalog(tmp_path, {"item"})


async def test_asset_that_gets_the_selected_role_is_downloaded(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_with_roles(origin, "item")
    await run_mirror(tmp_path, serve_api(origin, [item]), config=DATA)
    item["assets"]["preview"]["roles"].append("data")
    href = serve_api(origin, [item])
    assert (await run_mirror(tmp_path, href, config=DATA)).reasons == {"item": "CHANGED"}
    assert mirrored(tmp_path) == {"item": list(ROLES)}
    assert (await run_mirror(tmp_path, href, config=DATA)).reasons == {}


async def test_asset_with_selected_role_that_left_the_source_is_removed(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_with_roles(origin, "item")
    await run_mirror(tmp_path, serve_api(origin, [item]), config=DATA)
    reduced = copy.deepcopy(item)
    del reduced["assets"]["B08"]
    href = serve_api(origin, [reduced])
    assert (await run_mirror(tmp_path, href, config=DATA)).reasons == {"item": "CHANGED"}
    assert mirrored(tmp_path) == {"item": ["B04"]}
    assert not (tmp_path / "things/item/B08.tif").exists()
    assert (await run_mirror(tmp_path, href, config=DATA)).reasons == {}


async def test_new_item_without_selected_assets_does_not_fail_a_mirror(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_with_roles(origin, "one")]
    await run_mirror(tmp_path, serve_api(origin, items), config=DATA)
    items.append(item_with_roles(origin, "two", {"preview": "overview"}))
    result = await run_mirror(tmp_path, serve_api(origin, items), config=DATA)
    assert (result.reasons, result.failed_ids) == ({"two": "NEW"}, [])
    assert mirrored(tmp_path) == {"one": ["B04", "B08"], "two": []}


async def test_audit_compares_only_assets_of_the_selection(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/two/preview.tif")
    items = [item_with_roles(origin, name) for name in ("one", "two")]
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href, config=CONFIG)
    (tmp_path / "things/one/B08.tif").unlink()
    rows: list[Any] = []
    await audit_mirror(href, tmp_path, None, DATA, on_row=rows.append)
    assert [(row["state"], row["item"], row["asset"]) for row in rows] == [
        ("missing", "one", "B08")
    ]
    everything = await audit_mirror(href, tmp_path, None, CONFIG)
    assert everything.differences == 2
