"""Files that two assets or documents of a run would share: distinct names, or a failed asset."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pystac
import pytest

from stac_asset import (
    AssetOverwriteError,
    Config,
    DownloadError,
    DownloadWarning,
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
    """Return the message of the only failed asset of an item collection.

    The download and the plan must report the same error, and all other assets are downloaded.
    """
    source, directory = item_collection(*items), workspace.directory
    plan = await plan_item_collection(source, directory, config=config, path_template=template)
    assert origin.gets() == []
    with pytest.raises(DownloadError) as caught:
        await download_item_collection(source, directory, config=config, path_template=template)
    (error,) = caught.value.exceptions
    assert isinstance(error, AssetOverwriteError)
    assert [row.note for row in plan.rows if row.action == "fail"] == [error.message]
    assert len(workspace.files()) == sum(len(item.assets) for item in items)
    return str(error)


def check_content(origin: Origin, item: pystac.Item, source: pystac.Item, folder: Path) -> None:
    """Check that each asset of an item references the content of its own source."""
    assert list(item.assets) == list(source.assets)
    for key, asset in item.assets.items():
        path = source.assets[key].href.removeprefix(origin.url)
        assert (folder / unquote(asset.href)).read_bytes() == origin.content(path)


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
@pytest.mark.parametrize("strategy", FileNameStrategy)
async def test_keys_that_are_equal_on_some_file_systems_have_distinct_files(
    origin: Origin,
    workspace: Workspace,
    config: Config,
    first: str,
    second: str,
    strategy: FileNameStrategy,
) -> None:
    config.file_name_strategy = strategy
    item = item_from_origin(origin, first, second)
    for number, key in enumerate((first, second)):
        item.assets[key].href = origin.href(f"/{number}/data.tif")
    new = await download_item(item, workspace.directory, config=config)
    check_content(origin, new, item, workspace.directory)
    check_file_names(workspace, count=3)


async def test_collision_error_names_both_items(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_from_origin(origin, "a", name="one"), item_from_origin(origin, "a", name="two")
    items[1].assets["a"].href = origin.href("/two/a.tif")
    text = await collision_message(origin, workspace, config, *items, template="all")
    assert "asset 'a' of item 'one'" in text
    assert "asset 'a' of item 'two'" in text
    assert str(workspace.directory / "all" / "a.tif") in text
    assert "Use a `path_template` that gives the items distinct folders" in text
    assert (workspace.directory / "all" / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_items_with_same_id_fail_only_for_the_asset_with_the_same_file(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_from_origin(origin, "a"), item_from_origin(origin, "a", "b")
    items[1].assets["a"].href = origin.href("/other/a.tif")
    text = await collision_message(origin, workspace, config, *items)
    assert "asset 'a' of item 'the-item' and asset 'a' of item 'the-item'" in text
    assert (workspace.directory / "the-item" / "b.tif").read_bytes() == origin.content("/b.tif")


@pytest.mark.parametrize("template", [None, "all"])
async def test_existing_file_of_other_item_is_replaced_after_change_of_order(
    origin: Origin, workspace: Workspace, config: Config, template: str | None
) -> None:
    config.warn = True
    name = "the-item" if template is None else "other"
    items = [item_from_origin(origin, "a"), item_from_origin(origin, "a", name=name)]
    items[1].assets["a"].href = origin.put("/other/a.tif", origin.content("/a.tif")[::-1])
    for ordered in (items, items[::-1], items):
        with pytest.warns(DownloadWarning, match="asset 'a'"):
            new = await download_item_collection(
                item_collection(*ordered),
                workspace.directory,
                config=config,
                path_template=template,
            )
        (item,) = (item for item in new if item.assets)
        path = ordered[0].assets["a"].href.removeprefix(origin.url)
        assert Path(item.assets["a"].href).read_bytes() == origin.content(path)


async def test_items_of_two_collections_with_same_id_are_separated_by_template(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = item_from_origin(origin, "a"), item_from_origin(origin, "a")
    items[0].collection_id, items[1].collection_id = "one", "two"
    items[1].assets["a"].href = origin.href("/other/a.tif")
    await download_item_collection(
        item_collection(*items),
        workspace.directory,
        config=config,
        path_template="${collection}/${id}",
    )
    for folder, path in (("one", "/a.tif"), ("two", "/other/a.tif")):
        file = workspace.directory / folder / "the-item" / "a.tif"
        assert file.read_bytes() == origin.content(path)


@pytest.mark.parametrize("template", [None, "all"])
async def test_items_with_the_same_source_share_a_file(
    origin: Origin, workspace: Workspace, config: Config, template: str | None
) -> None:
    name = "the-item" if template is None else "other"
    items = item_from_origin(origin, "a"), item_from_origin(origin, "a", "b", name=name)
    new = await download_item_collection(
        item_collection(*items), workspace.directory, config=config, path_template=template
    )
    assert len(origin.gets("/a.tif")) == 1
    assert len({item.assets["a"].href for item in new}) == 1
    check_file_names(workspace, count=3)


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
    items[1].assets["a"].href = origin.href("/other/a.tif")
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
    items[1].assets["a"].href = origin.href("/other/a.tif")
    with pytest.raises(DownloadError, match="'the-item' and asset 'a' of item 'real'"):
        await download_item_collection(items, directory, config=config)
    assert (directory / "real" / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets("/other/*") == []


async def test_item_folder_collides_with_item_collection_document(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    items = (
        item_from_origin(origin, "a", name="Item-Collection.json"),
        item_from_origin(origin, "a", name="good"),
    )
    text = await collision_message(origin, workspace, config, *items)
    assert "the document of the item collection" in text
    assert "asset 'a' of item 'Item-Collection.json'" in text
    assert "Choose another `file_name`" in text


async def test_fail_fast_raises_collision_before_any_request(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    config.fail_fast = True
    items = item_from_origin(origin, "a", name="one"), item_from_origin(origin, "a", name="two")
    items[1].assets["a"].href = origin.href("/other/a.tif")
    with pytest.raises(AssetOverwriteError):
        await download_item_collection(
            item_collection(*items), workspace.directory, config=config, path_template="all"
        )
    assert origin.requests == []
    assert workspace.files() == []


@pytest.mark.parametrize("file_name", [None, "data/a.tif", "a.tif/item.json", "A.TIF"])
async def test_asset_with_name_of_document_has_distinct_file(
    origin: Origin, workspace: Workspace, config: Config, file_name: str | None
) -> None:
    item = item_from_origin(origin, "a", "b")
    item.assets["b"].href = origin.href("/x/the-item.json")
    await download_item(item, workspace.directory, file_name, config=config)
    document = workspace.directory / (file_name or "the-item.json")
    new = pystac.Item.from_file(str(document))
    check_content(origin, new, item, document.parent)
    check_file_names(workspace, count=3)


async def test_asset_with_name_of_collection_document_has_distinct_file(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    document = collection_document(origin, "collection")
    collection = stac_of(document, origin.href("/c.json"), "collection")
    assert isinstance(collection, pystac.Collection)
    collection.assets["collection"].href = origin.href("/collection.json")
    new = await download_collection(collection, workspace.directory, config=config)
    assert new.assets["collection"].href == "./collection_collection.json"
    check_file_names(workspace, count=2)


async def test_asset_with_name_of_item_collection_document_has_distinct_file(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a", href=origin.href("/item-collection.json"))
    new = await download_item_collection(
        item_collection(item), workspace.directory, config=config, path_template="."
    )
    name = str(workspace.directory / "item-collection_a.json")
    assert [item.assets["a"].href for item in new] == [name]


async def test_alternate_with_name_of_other_asset_has_distinct_file(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    config.alternate_assets = ["mirror"]
    item = item_from_origin(origin, "a", "b")
    item.assets["b"].extra_fields["alternate"] = {"mirror": {"href": origin.href("/m/A.tif")}}
    await download_item(item, workspace.directory, config=config)
    assert (workspace.directory / "a_a.tif").read_bytes() == origin.content("/a.tif")
    assert (workspace.directory / "A_b.tif").read_bytes() == origin.content("/m/A.tif")


async def test_alternate_with_file_name_of_asset_does_not_collide(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    config.alternate_assets = ["mirror"]
    item = item_from_origin(origin, "a", alternate={"mirror": {"href": origin.href("/m/a.tif")}})
    await download_item(item, workspace.directory, config=config)
    assert (workspace.directory / "a.tif").read_bytes() == origin.content("/m/a.tif")
