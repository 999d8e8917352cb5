"""Catalog of a mirror: foreign catalogs, edited fields, and several sources."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from stac_asset.errors import ConfigError
from stac_asset.mirror.output.catalog import write_catalog
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.rewrite.serialize import json_bytes
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


@pytest.mark.parametrize("keyword", ["plain", "\0item links"])
def test_links_to_items_have_the_form_of_other_links(tmp_path: Path, keyword: str) -> None:
    source = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": "things",
        "description": "Things.",
        "license": "other",
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}},
        "keywords": [keyword],
        "links": [{"rel": "about", "href": "https://e.com"}],
    }
    version = Version(None, None, {})
    rows = Rows()
    for key in (Key(name, item) for name in ("things", None) for item in ("b c", 'a"Æ')):
        rows[key] = IndexRow(key, (1, 1), "https://e.com", version, bbox=[0.5, 0, 1, 1])
    collections = {"things": SourceDocument(source, "https://e.com/things")}
    assert write_catalog(LocalStorage(tmp_path), rows, "https://e.com", collections).written == 2
    assert write_catalog(LocalStorage(tmp_path), rows, "https://e.com", collections).written == 0
    for document in ("things/collection.json", "catalog.json"):
        data = (tmp_path / document).read_bytes()
        found = json.loads(data)
        assert data == json_bytes(found)
        links = found["links"][-2:]
        assert [link["rel"] for link in links] == ["item", "item"]
        folders = [unquote(link["href"]).split("/")[1] for link in links]
        assert folders == ['a"Æ', "b c"]
