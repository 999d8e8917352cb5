"""What the caller passes stays as it is: items, collections, assets, configurations and clients."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    DownloadWarning,
    ErrorStrategy,
    FileNameStrategy,
    HttpClient,
    StacAssetError,
    assert_asset_exists,
    download_asset,
    download_collection,
    download_file,
    download_item,
    download_item_collection,
    plan_item,
    read_href,
)
from stac_asset.clients import Clients
from stac_asset.stac.parse import load_stac, stac_of
from stac_asset.testing import Delay, Origin, Status
from tests.make_collection import collection_document
from tests.make_item import item_document

UNREACHABLE = "http://127.0.0.1:1/catalog.json"
"""Where nobody answers: who resolves it fails."""

Owner: TypeAlias = pystac.Item | pystac.Collection | pystac.Catalog


def state(owner: Owner) -> dict[str, Any]:
    """Returns all there is to know of an object, without `to_dict`, which changes items."""
    found: dict[str, Any] = {"links": [link_state(link) for link in owner.links]}
    if not isinstance(owner, pystac.Item):
        found["fields"] = copy.deepcopy((owner.id, owner.title, owner.extra_fields))
    if isinstance(owner, pystac.Item):
        plain = {name: value for name, value in vars(owner).items() if name not in _APART}
        found["fields"] = copy.deepcopy(plain)
    if isinstance(owner, pystac.Collection):
        found["extent"] = owner.extent.to_dict()
        found["more"] = copy.deepcopy((owner.license, owner.keywords, owner.stac_extensions))
    if not isinstance(owner, pystac.Catalog) or isinstance(owner, pystac.Collection):
        found["assets"] = [(key, asset_state(asset)) for key, asset in owner.assets.items()]
    return found


_APART = {"links", "assets", "collection", "_stac_io"}


def asset_state(asset: pystac.Asset) -> dict[str, Any]:
    plain = {name: value for name, value in vars(asset).items() if name != "owner"}
    return {"identity": id(asset), "owner": id(asset.owner), **copy.deepcopy(plain)}


def link_state(link: pystac.Link) -> dict[str, Any]:
    plain = {
        name: value for name, value in vars(link).items() if name not in ("owner", "_target_object")
    }
    target = id(link._target_object)
    return {"identity": id(link), "owner": id(link.owner), "target": target, **copy.deepcopy(plain)}


def rich_document(origin: Origin) -> dict[str, Any]:
    """Returns an item that has something of everything."""
    document = item_document(origin, "a", "b", "bad")
    document["properties"] |= {"nested": {"list": [1, {"deep": True}]}, "created": "2026-06-02"}
    document["links"] = [
        {"rel": "self", "href": origin.href("/items/the-item.json")},
        {"rel": "root", "href": UNREACHABLE},
        {"rel": "parent", "href": "../collection.json"},
        {"rel": "license", "href": "./license.txt", "more": {"nested": [1]}},
    ]
    document["stac_extensions"] = ["https://example.com/extension/v1.0.0/schema.json"]
    document["assets"]["a"] |= {
        "href": "./a.tif",
        "roles": ["data"],
        "alternate": {"mirror": {"href": "./mirror/a.tif"}, "broken": {"href": ""}},
        "file:checksum": "not one",
    }
    document["assets"]["bad"] |= {"href": "", "nested": {"list": [1]}}
    document["extra"] = {"nested": [1]}
    return document


def rich_item(origin: Origin) -> pystac.Item:
    return pystac.Item.from_dict(rich_document(origin))


CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keep": {"error_strategy": ErrorStrategy.KEEP},
    "fail fast": {"fail_fast": True},
    "warn": {"warn": True},
    "checksums": {"write_checksums": True, "file_name_strategy": FileNameStrategy.KEY},
    "alternates": {"alternate_assets": ["broken", "mirror"]},
    "include": {"include": ["a"]},
    "exclude": {"exclude": ["bad"], "overwrite": True},
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def any_config(request: pytest.FixtureRequest, config: Config) -> Config:
    for name, value in request.param.items():
        setattr(config, name, value)
    return config


@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
@pytest.mark.parametrize("keep", [False, True])
async def test_item_stays_as_it_is(
    origin: Origin, tmp_path: Path, any_config: Config, keep: bool
) -> None:
    item = rich_item(origin)
    before, config_before = state(item), copy.deepcopy(vars(any_config))
    for number in range(2):  # The second finds what the first left.
        try:
            new = await download_item(item, tmp_path, config=any_config, keep_non_downloaded=keep)
        except StacAssetError:
            continue
        finally:
            assert state(item) == before, number
            assert vars(any_config) == config_before
        spoil(new)
        assert state(item) == before
    await plan_item(item, tmp_path, config=any_config)
    assert state(item) == before
    assert item.to_dict(transform_hrefs=False) == rich_item(origin).to_dict(transform_hrefs=False)


def spoil(item: pystac.Item) -> None:
    """Changes everything in an item that it could share with another one."""
    item.properties.clear()
    item.extra_fields.clear()
    item.stac_extensions.clear()
    for link in item.links:
        for value in link.extra_fields.values():
            value.clear()
        link.extra_fields.clear()
    for asset in item.assets.values():
        for value in asset.extra_fields.values():
            if isinstance(value, dict):
                for inner in value.values():
                    inner.clear()
                value.clear()
        asset.extra_fields.clear()
        asset.href = "spoiled"


async def test_item_stays_as_it_is_when_a_download_fails(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/items/b.tif", Status(404), times=0)
    document = rich_document(origin)
    del document["assets"]["bad"]
    document["assets"]["b"]["href"] = "./b.tif"
    item = pystac.Item.from_dict(document)
    before = state(item)
    for _ in range(2):  # A retry must fail again, with all assets still in the source.
        with pytest.raises(DownloadError, match="asset 'b' of item 'the-item'"):
            await download_item(item, tmp_path, config=config)
        assert state(item) == before
    origin.heal()
    new = await download_item(item, tmp_path, config=config)
    assert sorted(new.assets) == ["a", "b"]


async def test_item_stays_as_it_is_when_a_download_is_cancelled(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("*", Delay(30), times=0)
    item = rich_item(origin)
    before, config_before = state(item), copy.deepcopy(vars(config))
    task = asyncio.create_task(download_item(item, tmp_path, config=config))
    while not origin.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert state(item) == before
    assert vars(config) == config_before


@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
async def test_collection_stays_as_it_is(
    origin: Origin, tmp_path: Path, any_config: Config
) -> None:
    document = collection_document(origin, "a", "bad")
    document |= {"keywords": ["x"], "providers": [{"name": "somebody"}], "nested": {"list": [1]}}
    document["assets"]["bad"]["href"] = ""
    document["links"] = [{"rel": "root", "href": UNREACHABLE}]
    collection = pystac.Collection.from_dict(document)
    before, config_before = state(collection), copy.deepcopy(vars(any_config))
    for _ in range(2):
        try:
            new = await download_collection(collection, tmp_path, config=any_config)
        except StacAssetError:
            pass
        else:
            new.extra_fields.clear()
            (new.keywords or []).clear()
        assert state(collection) == before
    assert vars(any_config) == config_before


@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
async def test_item_collection_stays_as_it_is(
    origin: Origin, tmp_path: Path, any_config: Config
) -> None:
    others = {"context": {"matched": [2]}}
    one, two = rich_item(origin), rich_item(origin)
    two.id = "another-item"
    items = pystac.ItemCollection([one, two], extra_fields=others, clone_items=False)
    before, config_before = [state(item) for item in items], copy.deepcopy(vars(any_config))
    for _ in range(2):
        try:
            new = await download_item_collection(items, tmp_path, config=any_config)
        except StacAssetError:
            pass
        else:
            new.extra_fields["context"]["matched"].clear()
            for item in new:
                spoil(item)
        assert items.items == [one, two]
        assert [state(item) for item in items] == before
        assert others == {"context": {"matched": [2]}} == items.extra_fields
    assert vars(any_config) == config_before


async def test_asset_stays_as_it_is(origin: Origin, tmp_path: Path, config: Config) -> None:
    config.write_checksums = True
    item = rich_item(origin)
    before, config_before = state(item), copy.deepcopy(vars(config))
    new = await download_asset("a", item.assets["a"], tmp_path / "a", config)
    await assert_asset_exists(item.assets["a"], config)
    assert new is not item.assets["a"]
    assert new.href == str(tmp_path / "a")
    new.extra_fields["alternate"].clear()
    origin.remove("/items/a.tif")
    with pytest.raises(StacAssetError):
        await download_asset("a", item.assets["a"], tmp_path / "b", config)
    assert state(item) == before
    assert vars(config) == config_before


async def test_local_document_and_its_files_stay_as_they_are(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    source, directory = tmp_path / "source", tmp_path / "directory"
    source.mkdir()
    (source / "a.tif").write_bytes(b"bytes")
    document = item_document(origin, "a")
    document["assets"]["a"]["href"] = "a.tif"
    (source / "item.json").write_text(json.dumps(document))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.iterdir()}
    item = load_stac(source / "item.json")
    assert isinstance(item, pystac.Item)
    await download_item(item, directory, config=config)
    assert item.assets["a"].href == "a.tif"
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.iterdir()}
    assert after == before


def test_document_that_is_read_stays_as_it_is(origin: Origin) -> None:
    item = rich_document(origin)
    item["assets"] |= {"null": None, "nothing": {}, "text": "text"}
    collection = collection_document(origin, "a") | {"assets": {"null": None}}
    for document in (item, collection, {"type": "FeatureCollection", "features": [item]}):
        before = copy.deepcopy(document)
        stac_of(document, origin.href("/document.json"), "it")
        stac_of(document, None, "it")
        assert document == before


class TestClients:
    """The caller's clients stay open, whatever happens."""

    @pytest.fixture
    async def client(self) -> AsyncIterator[HttpClient]:
        async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
            yield HttpClient(session)
            assert not session.closed

    async def test_client_is_used_twice(
        self, origin: Origin, tmp_path: Path, config: Config, client: HttpClient
    ) -> None:
        item = pystac.Item.from_dict(item_document(origin, "a"))
        calls: list[Callable[[], Any]] = [
            lambda: download_item(item, tmp_path / "1", config=config, clients=[client]),
            lambda: download_file(origin.href("/a.tif"), tmp_path / "a.tif", config, [client]),
            lambda: read_href(origin.href("/a.tif"), config, [client]),
            lambda: plan_item(item, tmp_path / "2", config=config, clients=[client]),
            lambda: assert_asset_exists(item.assets["a"], config, [client]),
        ]
        for call in calls * 2:
            await call()
        assert all(request.headers.get("x-mine") == "yes" for request in origin.requests)

    @pytest.mark.parametrize("fail_fast", [False, True])
    async def test_client_stays_open_when_downloads_fail(
        self,
        origin: Origin,
        tmp_path: Path,
        config: Config,
        client: HttpClient,
        fail_fast: bool,
    ) -> None:
        config.fail_fast = fail_fast
        origin.fault("/a.tif", Status(404), times=0)
        item = pystac.Item.from_dict(item_document(origin, "a", "b"))
        for _ in range(2):
            with pytest.raises(StacAssetError):
                await download_item(item, tmp_path, config=config, clients=[client])
            assert not client.session.closed

    async def test_client_stays_open_when_a_download_is_cancelled(
        self, origin: Origin, tmp_path: Path, config: Config, client: HttpClient
    ) -> None:
        origin.fault("/a.tif", Delay(30))
        item = pystac.Item.from_dict(item_document(origin, "a"))
        task = asyncio.create_task(download_item(item, tmp_path, config=config, clients=[client]))
        while not origin.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await download_item(item, tmp_path, config=config, clients=[client])

    async def test_clients_of_the_caller_stay_open(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        item = pystac.Item.from_dict(item_document(origin, "a"))
        async with Clients(config) as clients:
            await download_asset("a", item.assets["a"], tmp_path / "1", config, clients=clients)
            client = await clients.get_client(origin.href("/"))
            assert isinstance(client, HttpClient)
            await download_asset("a", item.assets["a"], tmp_path / "2", config, clients=clients)
            assert not client.session.closed
            assert await clients.get_client(origin.href("/")) is client
        assert client.session.closed


class TestCatalog:
    """An item that hangs in a catalog is downloaded without a look at the catalog."""

    async def test_unreachable_catalog_is_not_asked(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        document = item_document(origin, "a") | {"collection": "the-collection"}
        document["links"] = [
            {"rel": rel, "href": UNREACHABLE} for rel in ("root", "parent", "collection")
        ]
        item = pystac.Item.from_dict(document, href=origin.href("/item.json"))
        new = await download_item(item, tmp_path, config=config)
        assert not any(link.is_resolved() for link in (*item.links, *new.links))
        written = json.loads((tmp_path / "the-item.json").read_bytes())
        links = {link["rel"]: link["href"] for link in written["links"]}
        assert {links[rel] for rel in ("root", "parent", "collection")} == {UNREACHABLE}
        assert written["collection"] == "the-collection"
        assert links["derived_from"] == origin.href("/item.json")

    def catalog(self, origin: Origin) -> pystac.Catalog:
        """Returns a catalog with a collection of 50 items, as a crawl leaves it."""
        catalog = pystac.Catalog("the-catalog", "It has a collection.")
        collection = pystac.Collection.from_dict(collection_document(origin, "thumbnail"))
        catalog.add_child(collection)
        for number in range(50):
            document = item_document(origin, "a", name=f"item-{number}")
            collection.add_item(pystac.Item.from_dict(document))
        catalog.normalize_hrefs(origin.href("/catalog"))
        return catalog

    def tree(self, catalog: pystac.Catalog) -> list[Owner]:
        """Returns all that hangs in a catalog; walking it makes new links, so that is done once."""
        return [catalog, *catalog.get_children(), *catalog.get_items(recursive=True)]

    async def test_tree_stays_as_it_is_and_is_not_dragged_along(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = self.catalog(origin)
        tree = self.tree(catalog)
        before = [state(node) for node in tree]
        item = tree[-1]
        assert isinstance(item, pystac.Item)
        new = await download_item(item, tmp_path, config=config)
        assert [state(node) for node in tree] == before
        assert not any(link.is_resolved() for link in new.links)
        hrefs = {link.rel: link.get_target_str() for link in new.links}
        assert hrefs["root"] == origin.href("/catalog/catalog.json")
        assert hrefs["parent"] == hrefs["collection"]
        assert new.collection_id == "the-collection"
        assert len(pickle.dumps(new)) < 4000
        gone = weakref.ref(catalog)
        del catalog, item, tree
        gc.collect()
        assert gone() is None

    async def test_collection_in_a_tree(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = self.catalog(origin)
        tree = self.tree(catalog)
        before = [state(node) for node in tree]
        collection = tree[1]
        assert isinstance(collection, pystac.Collection)
        new = await download_collection(collection, tmp_path, config=config)
        assert [state(node) for node in tree] == before
        assert not any(link.is_resolved() for link in new.links)
        assert new.get_root_link() is not None
        gone = weakref.ref(catalog)
        del catalog, collection, tree
        gc.collect()
        assert gone() is None

    async def test_tree_that_was_never_saved(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        catalog = pystac.Catalog("the-catalog", "It has no href.")
        catalog.add_item(pystac.Item.from_dict(item_document(origin, "a")))
        tree = self.tree(catalog)
        before = [state(node) for node in tree]
        assert isinstance(tree[1], pystac.Item)
        new = await download_item(tree[1], tmp_path, config=config)
        assert [state(node) for node in tree] == before
        assert [link.rel for link in new.links] == ["self"]

    async def test_items_in_a_tree(self, origin: Origin, tmp_path: Path, config: Config) -> None:
        catalog = self.catalog(origin)
        tree = self.tree(catalog)
        before = [state(node) for node in tree]
        items = pystac.ItemCollection(
            [node for node in tree if isinstance(node, pystac.Item)][:3], clone_items=False
        )
        new = await download_item_collection(items, tmp_path, config=config)
        assert [state(node) for node in tree] == before
        assert not any(link.is_resolved() for item in new for link in item.links)


async def test_warning_is_for_the_caller(origin: Origin, tmp_path: Path, config: Config) -> None:
    config.warn = True
    with pytest.warns(DownloadWarning) as caught:
        await download_item(rich_item(origin), tmp_path, config=config)
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]
