"""Downloads of items and collections that belong to a pystac catalog."""

from __future__ import annotations

import gc
import json
import pickle
import weakref
from pathlib import Path

import pystac

from stac_asset import (
    Config,
    download_collection,
    download_item,
    download_item_collection,
)
from stac_asset.testing import Origin
from tests.support.collections import collection_document
from tests.support.items import item_document
from tests.support.pystac_snapshots import Owner, snapshot
from tests.support.remote_items import UNREACHABLE_HREF


class TestCatalog:
    async def test_unreachable_catalog_is_not_requested(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        document = item_document(origin, "a") | {"collection": "the-collection"}
        document["links"] = [
            {"rel": rel, "href": UNREACHABLE_HREF} for rel in ("root", "parent", "collection")
        ]
        item = pystac.Item.from_dict(document, href=origin.href("/item.json"))
        new = await download_item(item, tmp_path, config=config)
        assert not any(link.is_resolved() for link in (*item.links, *new.links))
        written = json.loads((tmp_path / "the-item.json").read_bytes())
        links = {link["rel"]: link["href"] for link in written["links"]}
        assert {links[rel] for rel in ("root", "parent", "collection")} == {UNREACHABLE_HREF}
        assert written["collection"] == "the-collection"
        assert links["derived_from"] == origin.href("/item.json")

    def catalog(self, origin: Origin) -> pystac.Catalog:
        """Return a catalog with a collection of 50 items and resolved links."""
        catalog = pystac.Catalog("the-catalog", "A catalog with a collection.")
        collection = pystac.Collection.from_dict(collection_document(origin, "thumbnail"))
        catalog.add_child(collection)
        for number in range(50):
            document = item_document(origin, "a", name=f"item-{number}")
            collection.add_item(pystac.Item.from_dict(document))
        catalog.normalize_hrefs(origin.href("/catalog"))
        return catalog

    def nodes(self, catalog: pystac.Catalog) -> list[Owner]:
        """Return a catalog and all descendants.

        Traversal creates links in the catalog, so it happens before the snapshots.
        """
        return [catalog, *catalog.get_children(), *catalog.get_items(recursive=True)]

    async def test_item_download_neither_changes_nor_references_catalog(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = self.catalog(origin)
        nodes = self.nodes(catalog)
        before = [snapshot(node) for node in nodes]
        item = nodes[-1]
        assert isinstance(item, pystac.Item)
        new = await download_item(item, tmp_path, config=config)
        assert [snapshot(node) for node in nodes] == before
        assert not any(link.is_resolved() for link in new.links)
        hrefs = {link.rel: link.get_target_str() for link in new.links}
        assert hrefs["root"] == origin.href("/catalog/catalog.json")
        assert hrefs["parent"] == hrefs["collection"]
        assert new.collection_id == "the-collection"
        assert len(pickle.dumps(new)) < 4000
        reference = weakref.ref(catalog)
        del catalog, item, nodes
        gc.collect()
        assert reference() is None

    async def test_collection_download_neither_changes_nor_references_catalog(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = self.catalog(origin)
        nodes = self.nodes(catalog)
        before = [snapshot(node) for node in nodes]
        collection = nodes[1]
        assert isinstance(collection, pystac.Collection)
        new = await download_collection(collection, tmp_path, config=config)
        assert [snapshot(node) for node in nodes] == before
        assert not any(link.is_resolved() for link in new.links)
        assert new.get_root_link() is not None
        reference = weakref.ref(catalog)
        del catalog, collection, nodes
        gc.collect()
        assert reference() is None

    async def test_catalog_without_href_is_not_linked(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = pystac.Catalog("the-catalog", "A catalog without href.")
        catalog.add_item(pystac.Item.from_dict(item_document(origin, "a")))
        nodes = self.nodes(catalog)
        before = [snapshot(node) for node in nodes]
        assert isinstance(nodes[1], pystac.Item)
        new = await download_item(nodes[1], tmp_path, config=config)
        assert [snapshot(node) for node in nodes] == before
        assert [link.rel for link in new.links] == ["self"]

    async def test_item_collection_download_does_not_change_catalog(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = self.catalog(origin)
        nodes = self.nodes(catalog)
        before = [snapshot(node) for node in nodes]
        items = pystac.ItemCollection(
            [node for node in nodes if isinstance(node, pystac.Item)][:3], clone_items=False
        )
        new = await download_item_collection(items, tmp_path, config=config)
        assert [snapshot(node) for node in nodes] == before
        assert not any(link.is_resolved() for item in new for link in item.links)
