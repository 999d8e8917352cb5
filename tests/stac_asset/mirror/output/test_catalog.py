"""Catalog of a mirror: foreign catalogs, edited fields, and several sources."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stac_asset.errors import ConfigError
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_api, serve_items


@pytest.mark.parametrize("data", [b'{"type": "Catalog", "id": "mine"}', b"no JSON"])
async def test_directory_with_foreign_catalog_is_rejected(
    origin: Origin, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "catalog.json").write_bytes(data)
    with pytest.raises(
        ConfigError, match=r"`directory` '.*' has a catalog.json that was not written by a mirror"
    ):
        await run_mirror(tmp_path, serve_api(origin, [build_item(origin, "one")]))
    assert (tmp_path / "catalog.json").read_bytes() == data


async def test_edited_catalog_title_is_kept(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, "one")])
    await run_mirror(tmp_path, href)
    catalog = json.loads((tmp_path / "catalog.json").read_bytes())
    (tmp_path / "catalog.json").write_text(json.dumps(catalog | {"title": "Mine", "links": []}))
    await run_mirror(tmp_path, href)
    assert check_catalog(tmp_path, {"one"}).title == "Mine"


async def test_items_of_several_sources_share_a_mirror(origin: Origin, tmp_path: Path) -> None:
    api = serve_api(origin, [build_item(origin, "one")])
    items = serve_items(origin, [build_item(origin, "two", collection="others")])
    await run_mirror(tmp_path, api, on_removed="delete")
    await run_mirror(tmp_path, items, on_removed="delete")
    assert (await run_mirror(tmp_path, api, on_removed="delete")).reasons == {}
    catalog = check_catalog(tmp_path, {"one", "two"})
    assert {child.id for child in catalog.get_children()} == {"things", "others"}
