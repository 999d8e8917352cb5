"""Names of files and folders, made from ids, keys, hrefs and templates of untrusted documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    ConfigError,
    FileNameStrategy,
    UnsafePathError,
    download_item,
    download_item_collection,
)
from stac_asset.hrefs import absolute_href
from stac_asset.plan.file_names import safe_name
from stac_asset.testing import Origin
from tests.support.containment import Workspace, check_file_names, item_collection
from tests.support.items import item_from_origin, load_item

HOSTILE_TEXTS = {
    "empty": "",
    "dot": ".",
    "two dots": "..",
    "three dots": "...",
    "parent folders": "../../escaped",
    "parent folders after a folder": "a/../../../escaped",
    "absolute": "/escaped",
    "slash": "a/b",
    "backslashes": "..\\..\\escaped",
    "encoded": "%2e%2e%2fescaped",
    "encoded twice": "%252e%252e%252fescaped",
    "encoded slashes": "..%2F..%2Fescaped",
    "NUL": "a\0b",
    "newline and escape": "a\n\x1b[31mb",
    "C1 controls": "a\x85\x9bb",
    "lone surrogate": "a\ud800b",
    "long": "x" * 300,
    "long in bytes": "é" * 200,
    "long suffix": "a." + "x" * 300,
    "path with drive": "C:\\windows\\x",
    "drive": "C:",
    "home": "~root",
    "option": "-rf",
    "space": " ",
    "part file": ".a.tif.part",
    "part file in capitals": ".A.TIF.PART",
    "resume note": ".a.tif.part.json",
    "variable": "${id}",
    "right to left": "a\u202eb",
}
hostile_texts = pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)


def file_of(item: pystac.Item, key: str) -> Path:
    """Return the path of an asset's file."""
    return Path(absolute_href(item.assets[key].href, item.get_self_href()))


@hostile_texts
async def test_item_id_becomes_document_name(
    origin: Origin, workspace: Workspace, config: Config, text: str
) -> None:
    item = item_from_origin(origin, "a", name=text)
    new = await download_item(item, workspace.directory, config=config)
    files = check_file_names(workspace, count=2)
    assert {file.parent for file in files} == {workspace.directory}
    assert (workspace.directory / "a.tif").read_bytes() == origin.content("/a.tif")
    assert new.id == text
    assert Path(new.self_href) in files
    written = load_item(Path(new.self_href))
    assert written.id == text
    assert set(written.assets) == {"a"}


@hostile_texts
async def test_item_id_becomes_folder_name(
    origin: Origin, workspace: Workspace, config: Config, text: str
) -> None:
    items = item_collection(item_from_origin(origin, "a", name=text))
    new = await download_item_collection(items, workspace.directory, config=config)
    check_file_names(workspace, count=2)
    file = file_of(new[0], "a")
    assert file.parent.parent == workspace.directory
    assert file.read_bytes() == origin.content("/a.tif")


@hostile_texts
@pytest.mark.parametrize("strategy", FileNameStrategy)
async def test_asset_key_becomes_single_file_name(
    origin: Origin, workspace: Workspace, config: Config, text: str, strategy: FileNameStrategy
) -> None:
    config.file_name_strategy = strategy
    item = item_from_origin(origin, "a")
    item.assets = {text: item.assets["a"]}
    new = await download_item(item, workspace.directory, config=config)
    files = check_file_names(workspace, count=2)
    assert {file.parent for file in files} == {workspace.directory}
    (key,) = new.assets
    assert key == text
    path = file_of(new, key)
    assert path.read_bytes() == origin.content("/a.tif")
    assert (path.name == "a.tif") is (strategy is FileNameStrategy.FILE_NAME)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/..",
        "/%2e%2e",
        "/a/%2e%2e/%2e%2e/escaped",
        "/..%2f..%2fescaped",
        "/..%2F..%2Fescaped",
        "/%252e%252e%252fescaped",
        "/..%5c..%5cescaped",
        "/%2fescaped",
        "/a%00b.tif",
        "/a%0Ab.tif",
        "/a%1b%5b31mb.tif",
        "/a%ffb.tif",
        "/a%C2%9Bb.tif",
        "/.a.tif.part",
        "/%2ea.tif.PART",
        f"/{'x' * 300}.tif",
        f"/{'%C3%A9' * 200}.tif",
        "/C:%5Cwindows%5Cx",
        "/a.tif?name=../../escaped",
        "/a.tif?../../escaped",
        "/a.tif#/../../escaped",
        "/a;/../../escaped",
        "//escaped",
        "/a b\tc.tif",
        "/a b é.tif?x=a b é&%20",
    ],
)
async def test_href_becomes_single_file_name(
    origin: Origin, workspace: Workspace, config: Config, path: str
) -> None:
    item = item_from_origin(origin, "a", href=f"{origin.url}{path}")
    new = await download_item(item, workspace.directory, config=config)
    files = check_file_names(workspace, count=2)
    assert {file.parent for file in files} == {workspace.directory}
    file = file_of(new, "a")
    (request,) = origin.gets()
    assert file.read_bytes() == origin.content(request.path)


@pytest.mark.parametrize("strategy", FileNameStrategy)
async def test_asset_without_key_and_file_name_is_named_asset(
    origin: Origin, workspace: Workspace, config: Config, strategy: FileNameStrategy
) -> None:
    config.file_name_strategy = strategy
    item = item_from_origin(origin, "a", href=origin.href("/"))
    item.assets = {"": item.assets["a"]}
    await download_item(item, workspace.directory, config=config)
    assert (workspace.directory / "asset").read_bytes() == origin.content("/")


async def test_long_names_with_different_ends_stay_distinct(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    config.file_name_strategy = FileNameStrategy.KEY
    item = item_from_origin(origin, "x" * 300 + "1", "x" * 300 + "2")
    new = await download_item(item, workspace.directory, config=config)
    check_file_names(workspace, count=3)
    for asset in new.assets.values():
        assert asset.href.endswith(".tif")


@pytest.mark.parametrize(
    "local_path", ["../../escaped", "/escaped", "..\\escaped", "a/../../escaped", 5, None, ["a"]]
)
async def test_declared_local_path_is_ignored(
    origin: Origin, workspace: Workspace, config: Config, local_path: object
) -> None:
    item = item_from_origin(origin, "a", **{"file:local_path": local_path})
    await download_item(item, workspace.directory, config=config)
    files = check_file_names(workspace, count=2)
    assert sorted(file.name for file in files) == ["a.tif", "the-item.json"]


@pytest.mark.parametrize(
    "file_name",
    [
        "../escaped.json",
        "a/../../escaped.json",
        "..",
        ".",
        "a/..",
        "/escaped.json",
        "a\0b.json",
        "a\ud800.json",
    ],
)
async def test_file_name_outside_directory_is_refused(
    origin: Origin, workspace: Workspace, config: Config, file_name: str
) -> None:
    item, directory = item_from_origin(origin, "a"), workspace.directory
    with pytest.raises(UnsafePathError, match="file_name"):
        await download_item(item, directory, file_name, config=config)
    with pytest.raises(UnsafePathError, match="file_name"):
        await download_item_collection(item_collection(item), directory, file_name, config=config)
    assert origin.requests == []
    assert workspace.files() == []


async def test_absolute_file_name_outside_directory_is_refused(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a")
    outside = str(workspace.outside / "item.json")
    with pytest.raises(UnsafePathError, match="outside of the directory"):
        await download_item(item, workspace.directory, outside, config=config)
    # The path starts with the characters of the directory.
    sibling = f"{workspace.directory}-2/item.json"
    with pytest.raises(UnsafePathError, match="outside of the directory"):
        await download_item(item, workspace.directory, sibling, config=config)
    assert origin.requests == []


async def test_file_name_may_contain_folders(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a")
    await download_item(item, workspace.directory, "b/../c/item.json", config=config)
    assert (workspace.directory / "c" / "item.json").is_file()


@pytest.mark.parametrize(
    "template", ["../${id}", "${id}/../..", "a/../b/${id}", "/${id}", "//escaped", "..", "${id}/.."]
)
async def test_template_outside_directory_is_refused(
    origin: Origin, workspace: Workspace, config: Config, template: str
) -> None:
    items = item_collection(item_from_origin(origin, "a"))
    with pytest.raises(UnsafePathError, match="leaves the directory"):
        await download_item_collection(
            items, workspace.directory, config=config, path_template=template
        )
    assert origin.requests == []
    assert workspace.files() == []


@pytest.mark.parametrize(
    "template", ["${id", "{", "${unknown_variable}", "${collection}", 5, b"${id}"]
)
async def test_template_that_cannot_be_filled_is_refused(
    origin: Origin, workspace: Workspace, config: Config, template: Any
) -> None:
    items = item_collection(item_from_origin(origin, "a"))
    with pytest.raises(ConfigError, match="path_template"):
        await download_item_collection(
            items, workspace.directory, config=config, path_template=template
        )
    assert origin.requests == []


@hostile_texts
async def test_template_values_become_folder_names(
    origin: Origin, workspace: Workspace, config: Config, text: str
) -> None:
    item = item_from_origin(origin, "a")
    item.collection_id = item.properties["place"] = text
    new = await download_item_collection(
        item_collection(item),
        workspace.directory,
        config=config,
        path_template="${collection}/x-${place}/..\\${year}/./${id}",
    )
    check_file_names(workspace, count=2)
    folders = file_of(new[0], "a").relative_to(workspace.directory).parts
    assert folders == (
        safe_name(text) or "_",
        safe_name(f"x-{text}"),
        "..%5C2026",
        "the-item",
        "a.tif",
    )


async def test_variables_in_template_values_are_not_replaced(
    origin: Origin, workspace: Workspace, config: Config
) -> None:
    item = item_from_origin(origin, "a")
    item.properties |= {"one": "${two}", "two": "2"}
    new = await download_item_collection(
        item_collection(item), workspace.directory, config=config, path_template="${one}-${two}"
    )
    assert file_of(new[0], "a").parent.name == "${two}-2"
