"""Collisions between files of a run, which are reported before any byte is downloaded."""

from __future__ import annotations

import pystac
import pytest

from stac_asset import (
    AssetOverwriteError,
    Config,
    FileNameStrategy,
    download_collection,
    download_item,
    download_item_collection,
    plan_item_collection,
)
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.support.collections import collection_document
from tests.support.containment import Workspace, check_file_names, item_collection
from tests.support.items import item_from_origin


async def collision_message(
    origin: Origin,
    workspace: Workspace,
    config: Config,
    *items: pystac.Item,
    template: str | None = None,
) -> str:
    """Return the message of the collision error of an item collection.

    The download and the plan must raise the same error before any byte is downloaded.
    """
    source, directory = item_collection(*items), workspace.directory
    with pytest.raises(AssetOverwriteError) as caught:
        await download_item_collection(source, directory, config=config, path_template=template)
    with pytest.raises(AssetOverwriteError) as planned:
        await plan_item_collection(source, directory, config=config, path_template=template)
    assert str(planned.value) == str(caught.value)
    assert origin.requests == []
    assert workspace.files() == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("B04", "b04"),
        ("caf\u00e9", "cafe\u0301"),
        ("CAF\u00c9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("a\u0323\u0307", "a\u0307\u0323"),
        ("a/b", "a%2Fb"),
        ("a\0", "a%00"),
    ],
)
async def test_keys_that_are_equal_on_some_file_systems_collide(
    origin: Origin, workspace: Workspace, config: Config, first: str, second: str
) -> None:
    config.file_name_strategy = FileNameStrategy.KEY
    item = item_from_origin(origin, first, second)
    with pytest.raises(AssetOverwriteError) as caught:
        await download_item(item, workspace.directory, config=config)
    assert f"asset '{first}' of item 'the-item'" in str(caught.value)
    assert f"asset '{second}' of item 'the-item'" in str(caught.value)
    assert origin.requests == []
    assert workspace.files() == []


async def test_collision_error_names_both_items(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_from_origin(origin, "a", name="one"), item_from_origin(origin, "a", name="two")
    text = await collision_message(origin, workspace, config, *items, template="all")
    assert "asset 'a' of item 'one'" in text
    assert "asset 'a' of item 'two'" in text
    assert str(workspace.directory / "all" / "a.tif") in text


async def test_items_with_same_id_and_same_file_collide(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_from_origin(origin, "a"), item_from_origin(origin, "a", "b")
    text = await collision_message(origin, workspace, config, *items)
    assert text.count("asset 'a' of item 'the-item'") == 2


async def test_items_with_same_id_and_different_files_do_not_collide(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_collection(item_from_origin(origin, "a"), item_from_origin(origin, "b"))
    new = await download_item_collection(items, workspace.directory, config=config)
    assert [list(item.assets) for item in new] == [["a"], ["b"]]
    check_file_names(workspace, count=3)


async def test_item_folders_that_differ_by_case_collide(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_from_origin(origin, "a", name="S2A"), item_from_origin(origin, "a", name="s2a")
    text = await collision_message(origin, workspace, config, *items)
    assert "of item 'S2A'" in text
    assert "of item 's2a'" in text


@pytest.mark.parametrize("is_directory_symlink", [False, True])
async def test_item_folders_that_are_same_through_symlink_collide(
    origin: Origin, workspace: Workspace, config: Config, is_directory_symlink: bool
) -> None:
    directory = workspace.directory
    (directory / "real").mkdir()
    (directory / "the-item").symlink_to("real")
    if is_directory_symlink:
        (directory / "link").symlink_to(directory)
        directory /= "link"
    items = item_collection(
        item_from_origin(origin, "a"), item_from_origin(origin, "a", name="real")
    )
    with pytest.raises(AssetOverwriteError, match="'the-item' and asset 'a' of item 'real'"):
        await download_item_collection(items, directory, config=config)
    assert origin.requests == []


async def test_asset_collides_with_item_collection_document(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a", href=origin.href("/item-collection.json"))
    text = await collision_message(origin, workspace, config, item, template=".")
    assert "the document of the item collection" in text
    assert "asset 'a' of item 'the-item'" in text


async def test_item_folder_collides_with_item_collection_document(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a", name="Item-Collection.json")
    text = await collision_message(origin, workspace, config, item)
    assert "the document of the item collection" in text
    assert "asset 'a' of item 'Item-Collection.json'" in text


async def test_asset_collides_with_folder_of_document(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a")
    with pytest.raises(AssetOverwriteError, match=r"the folder of the document.*asset 'a'"):
        await download_item(item, workspace.directory, "a.tif/item.json", config=config)
    assert origin.requests == []


async def test_asset_collides_with_document_of_owner(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a", href=origin.href("/x/the-item.json"))
    with pytest.raises(AssetOverwriteError, match=r"the document of item.*asset 'a' of item"):
        await download_item(item, workspace.directory, config=config)
    document = collection_document(origin, "collection")
    collection = stac_of(document, origin.href("/c.json"), "collection")
    assert isinstance(collection, pystac.Collection)
    collection.assets["collection"].href = origin.href("/collection.json")
    with pytest.raises(AssetOverwriteError, match=r"the document of coll.*asset 'collection' of"):
        await download_collection(collection, workspace.directory, config=config)
    assert origin.requests == []
    assert workspace.files() == []


async def test_asset_collides_with_alternate_of_other_asset(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    config.alternate_assets = ["mirror"]
    item = item_from_origin(origin, "a", "b")
    item.assets["b"].extra_fields["alternate"] = {"mirror": {"href": origin.href("/m/A.tif")}}
    with pytest.raises(AssetOverwriteError, match=r"asset 'a' of .* and asset 'b' of"):
        await download_item(item, workspace.directory, config=config)
    assert origin.requests == []


async def test_alternate_with_file_name_of_asset_does_not_collide(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    config.alternate_assets = ["mirror"]
    item = item_from_origin(origin, "a", alternate={"mirror": {"href": origin.href("/m/a.tif")}})
    await download_item(item, workspace.directory, config=config)
    assert (workspace.directory / "a.tif").read_bytes() == origin.content("/m/a.tif")
