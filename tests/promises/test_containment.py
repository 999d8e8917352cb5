"""Nothing is written outside of the directory, whatever ids, keys, hrefs and templates say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    AssetOverwriteError,
    Config,
    ConfigError,
    DownloadError,
    FileNameStrategy,
    UnsafePathError,
    download_collection,
    download_item,
    download_item_collection,
    plan_item_collection,
)
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.destinations.local.containment import ContainedDirectory
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.errors import DestinationError
from stac_asset.plan.file_names import safe_name
from stac_asset.stac.parse import load_stac, stac_of
from stac_asset.testing import Origin, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Failed, Transfer
from tests.make_collection import collection_document
from tests.make_item import item_document

HOSTILE = {
    "empty": "",
    "dot": ".",
    "dots": "..",
    "three dots": "...",
    "climbs": "../../escaped",
    "climbs from below": "a/../../../escaped",
    "absolute": "/escaped",
    "slash": "a/b",
    "backslashes": "..\\..\\escaped",
    "encoded": "%2e%2e%2fescaped",
    "encoded twice": "%252e%252e%252fescaped",
    "half encoded": "..%2F..%2Fescaped",
    "NUL": "a\0b",
    "newline and escape": "a\n\x1b[31mb",
    "C1 controls": "a\x85\x9bb",
    "half a surrogate pair": "a\ud800b",
    "long": "x" * 300,
    "long in bytes": "é" * 200,
    "long suffix": "a." + "x" * 300,
    "drive": "C:\\windows\\x",
    "drive only": "C:",
    "home": "~root",
    "option": "-rf",
    "space": " ",
    "like a part file": ".a.tif.part",
    "like a part file in capitals": ".A.TIF.PART",
    "like a note": ".a.tif.part.json",
    "variable": "${id}",
    "right to left": "a\u202eb",
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@dataclass
class Place:
    """A destination with a world around it."""

    world: Path
    directory: Path
    outside: Path

    def around(self) -> dict[str, object]:
        """Returns all that there is outside of the destination."""
        found: dict[str, object] = {}
        for folder, folders, files in os.walk(self.world):
            here = Path(folder)
            if here == self.directory:
                folders.clear()
                continue
            for name in [*folders, *files]:
                path = here / name
                if path.is_symlink():
                    found[str(path)] = os.readlink(path)
                elif path.is_file():
                    found[str(path)] = (path.read_bytes(), path.stat().st_mtime_ns)
                else:
                    found[str(path)] = None
        return found

    def files(self) -> list[Path]:
        """Returns the files below the destination, those of other places by a symlink too."""
        return [
            Path(folder) / name
            for folder, _, names in os.walk(self.directory, followlinks=True)
            for name in names
        ]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A destination six folders deep, so that what climbs out of it is still seen.

    When the test is over, nothing around it may be another than before.
    """
    directory = tmp_path / "1" / "2" / "3" / "4" / "5" / "destination"
    outside = tmp_path / "1" / "2" / "3" / "4" / "5" / "outside"
    directory.mkdir(parents=True)
    outside.mkdir()
    (outside / "a.tif").write_bytes(b"not yours")
    (outside / ".a.tif.part").write_bytes(b"nor this")
    found = Place(tmp_path, directory, outside)
    before = found.around()
    yield found
    assert found.around() == before


def make_item(origin: Origin, *keys: str, name: str = "the-item", **more: Any) -> pystac.Item:
    """Returns an item; `more` goes into every asset."""
    document = item_document(origin, *keys, name=name)
    for asset in document["assets"].values():
        asset |= more
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    return item


def items_of(*items: pystac.Item) -> pystac.ItemCollection:
    return pystac.ItemCollection(items, clone_items=False)


def check_names(place: Place, *, count: int) -> list[Path]:
    """Checks that there are so many files, each with a name that every file system takes."""
    files = place.files()
    assert len(files) == count
    for file in files:
        for part in file.relative_to(place.directory).parts:
            assert 0 < len(os.fsencode(part)) <= 255
            assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "/\\" for c in part)
    return files


@hostile
async def test_item_id_names_its_document(
    origin: Origin, place: Place, config: Config, text: str
) -> None:
    new = await download_item(make_item(origin, "a", name=text), place.directory, config=config)
    files = check_names(place, count=2)
    assert {file.parent for file in files} == {place.directory}
    assert (place.directory / "a.tif").read_bytes() == origin.content("/a.tif")
    assert new.id == text
    assert Path(new.self_href) in files
    assert stac_of_file(Path(new.self_href)).id == text


def stac_of_file(path: Path) -> pystac.Item:
    item = load_stac(path)
    assert isinstance(item, pystac.Item)
    assert set(item.assets) == {"a"}
    return item


@hostile
async def test_item_id_names_its_folder(
    origin: Origin, place: Place, config: Config, text: str
) -> None:
    items = items_of(make_item(origin, "a", name=text))
    new = await download_item_collection(items, place.directory, config=config)
    check_names(place, count=2)
    file = Path(new[0].assets["a"].href)
    assert file.parent.parent == place.directory
    assert file.read_bytes() == origin.content("/a.tif")


@hostile
@pytest.mark.parametrize("strategy", FileNameStrategy)
async def test_key_with_a_slash_is_a_name(
    origin: Origin, place: Place, config: Config, text: str, strategy: FileNameStrategy
) -> None:
    config.file_name_strategy = strategy
    item = make_item(origin, "a")
    item.assets = {text: item.assets["a"]}
    new = await download_item(item, place.directory, config=config)
    files = check_names(place, count=2)
    assert {file.parent for file in files} == {place.directory}
    (key,) = new.assets
    assert key == text
    path = Path(new.assets[key].get_absolute_href() or "")
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
async def test_href_names_one_file(origin: Origin, place: Place, config: Config, path: str) -> None:
    item = make_item(origin, "a", href=f"{origin.url}{path}")
    new = await download_item(item, place.directory, config=config)
    files = check_names(place, count=2)
    assert {file.parent for file in files} == {place.directory}
    file = Path(new.assets["a"].get_absolute_href() or "")
    (request,) = origin.gets()
    assert file.read_bytes() == origin.content(request.path)


@pytest.mark.parametrize("strategy", FileNameStrategy)
async def test_asset_without_any_name_gets_one(
    origin: Origin, place: Place, config: Config, strategy: FileNameStrategy
) -> None:
    config.file_name_strategy = strategy
    item = make_item(origin, "a", href=origin.href("/"))
    item.assets = {"": item.assets["a"]}
    await download_item(item, place.directory, config=config)
    assert (place.directory / "asset").read_bytes() == origin.content("/")


@pytest.mark.parametrize(
    "local_path", ["../../escaped", "/escaped", "..\\escaped", "a/../../escaped", 5, None, ["a"]]
)
async def test_local_path_is_not_believed(
    origin: Origin, place: Place, config: Config, local_path: object
) -> None:
    item = make_item(origin, "a", **{"file:local_path": local_path})
    await download_item(item, place.directory, config=config)
    assert sorted(file.name for file in check_names(place, count=2)) == ["a.tif", "the-item.json"]


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
async def test_file_name_that_leaves_the_directory_is_refused(
    origin: Origin, place: Place, config: Config, file_name: str
) -> None:
    item = make_item(origin, "a")
    with pytest.raises(UnsafePathError, match="file_name"):
        await download_item(item, place.directory, file_name, config=config)
    with pytest.raises(UnsafePathError, match="file_name"):
        await download_item_collection(items_of(item), place.directory, file_name, config=config)
    assert origin.requests == []
    assert place.files() == []


async def test_absolute_file_name_elsewhere_is_refused(
    origin: Origin, place: Place, config: Config
) -> None:
    elsewhere = str(place.outside / "item.json")
    with pytest.raises(UnsafePathError, match="outside of the directory"):
        await download_item(make_item(origin, "a"), place.directory, elsewhere, config=config)
    # A name that begins like the directory's is not in it.
    beside = f"{place.directory}-2/item.json"
    with pytest.raises(UnsafePathError, match="outside of the directory"):
        await download_item(make_item(origin, "a"), place.directory, beside, config=config)
    assert origin.requests == []


async def test_file_name_may_have_folders(origin: Origin, place: Place, config: Config) -> None:
    await download_item(make_item(origin, "a"), place.directory, "b/../c/item.json", config=config)
    assert (place.directory / "c" / "item.json").is_file()


@pytest.mark.parametrize(
    "template", ["../${id}", "${id}/../..", "a/../b/${id}", "/${id}", "//escaped", "..", "${id}/.."]
)
async def test_template_that_leaves_the_directory_is_refused(
    origin: Origin, place: Place, config: Config, template: str
) -> None:
    items = items_of(make_item(origin, "a"))
    with pytest.raises(UnsafePathError, match="leaves the directory"):
        await download_item_collection(
            items, place.directory, config=config, path_template=template
        )
    assert origin.requests == []
    assert place.files() == []


@pytest.mark.parametrize("template", ["${id", "{", "${nothing_of_that_name}", "${collection}"])
async def test_template_that_fits_nothing_is_refused(
    origin: Origin, place: Place, config: Config, template: str
) -> None:
    items = items_of(make_item(origin, "a"))
    with pytest.raises(ConfigError, match="path_template"):
        await download_item_collection(
            items, place.directory, config=config, path_template=template
        )
    assert origin.requests == []


@hostile
async def test_values_in_a_template_are_names(
    origin: Origin, place: Place, config: Config, text: str
) -> None:
    item = make_item(origin, "a")
    item.collection_id = item.properties["place"] = text
    new = await download_item_collection(
        items_of(item),
        place.directory,
        config=config,
        path_template="${collection}/x-${place}/..\\${year}/./${id}",
    )
    check_names(place, count=2)
    folders = Path(new[0].assets["a"].href).relative_to(place.directory).parts
    assert folders == (
        safe_name(text) or "_",
        safe_name(f"x-{text}"),
        "..%5C2026",
        "the-item",
        "a.tif",
    )


async def test_what_was_put_into_a_template_is_no_template(
    origin: Origin, place: Place, config: Config
) -> None:
    item = make_item(origin, "a")
    item.properties |= {"one": "${two}", "two": "2"}
    new = await download_item_collection(
        items_of(item), place.directory, config=config, path_template="${one}-${two}"
    )
    assert Path(new[0].assets["a"].href).parent.name == "${two}-2"


async def test_long_names_that_differ_at_their_end_stay_apart(
    origin: Origin, place: Place, config: Config
) -> None:
    config.file_name_strategy = FileNameStrategy.KEY
    item = make_item(origin, "x" * 300 + "1", "x" * 300 + "2")
    new = await download_item(item, place.directory, config=config)
    check_names(place, count=3)
    for asset in new.assets.values():
        assert asset.href.endswith(".tif")


@pytest.mark.parametrize(
    ("one", "other"),
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
async def test_names_that_some_file_systems_cannot_tell_apart_collide(
    origin: Origin, place: Place, config: Config, one: str, other: str
) -> None:
    config.file_name_strategy = FileNameStrategy.KEY
    item = make_item(origin, one, other)
    with pytest.raises(AssetOverwriteError) as caught:
        await download_item(item, place.directory, config=config)
    assert f"asset '{one}' of item 'the-item'" in str(caught.value)
    assert f"asset '{other}' of item 'the-item'" in str(caught.value)
    assert origin.requests == []
    assert place.files() == []


async def collides(
    origin: Origin, place: Place, config: Config, *items: pystac.Item, template: str | None = None
) -> str:
    """Returns the text of the error that an item collection gives before a byte moves."""
    source = items_of(*items)
    with pytest.raises(AssetOverwriteError) as caught:
        await download_item_collection(
            source, place.directory, config=config, path_template=template
        )
    with pytest.raises(AssetOverwriteError) as planned:
        await plan_item_collection(source, place.directory, config=config, path_template=template)
    assert str(planned.value) == str(caught.value)
    assert origin.requests == []
    assert place.files() == []
    return str(caught.value)


async def test_collision_between_items_names_both(
    origin: Origin, place: Place, config: Config
) -> None:
    one, two = make_item(origin, "a", name="one"), make_item(origin, "a", name="two")
    text = await collides(origin, place, config, one, two, template="all")
    assert "asset 'a' of item 'one'" in text
    assert "asset 'a' of item 'two'" in text
    assert str(place.directory / "all" / "a.tif") in text


async def test_collision_between_items_of_one_id(
    origin: Origin, place: Place, config: Config
) -> None:
    one, two = make_item(origin, "a"), make_item(origin, "a", "b")
    text = await collides(origin, place, config, one, two)
    assert text.count("asset 'a' of item 'the-item'") == 2


async def test_items_of_one_id_whose_files_differ_are_fine(
    origin: Origin, place: Place, config: Config
) -> None:
    items = items_of(make_item(origin, "a"), make_item(origin, "b"))
    new = await download_item_collection(items, place.directory, config=config)
    assert [list(item.assets) for item in new] == [["a"], ["b"]]
    check_names(place, count=3)


async def test_collision_between_folders_that_differ_by_case(
    origin: Origin, place: Place, config: Config
) -> None:
    one, two = make_item(origin, "a", name="S2A"), make_item(origin, "a", name="s2a")
    text = await collides(origin, place, config, one, two)
    assert "of item 'S2A'" in text
    assert "of item 's2a'" in text


async def test_collision_with_the_document(origin: Origin, place: Place, config: Config) -> None:
    item = make_item(origin, "a", href=origin.href("/item-collection.json"))
    text = await collides(origin, place, config, item, template=".")
    assert "the document of the item collection" in text
    assert "asset 'a' of item 'the-item'" in text


async def test_collision_of_a_folder_with_the_document(
    origin: Origin, place: Place, config: Config
) -> None:
    item = make_item(origin, "a", name="Item-Collection.json")
    text = await collides(origin, place, config, item)
    assert "the document of the item collection" in text
    assert "asset 'a' of item 'Item-Collection.json'" in text


async def test_collision_of_a_file_with_the_folder_of_the_document(
    origin: Origin, place: Place, config: Config
) -> None:
    item = make_item(origin, "a")
    with pytest.raises(AssetOverwriteError, match=r"the folder of the document.*asset 'a'"):
        await download_item(item, place.directory, "a.tif/item.json", config=config)
    assert origin.requests == []


async def test_collision_of_an_asset_with_its_items_document(
    origin: Origin, place: Place, config: Config
) -> None:
    item = make_item(origin, "a", href=origin.href("/x/the-item.json"))
    with pytest.raises(AssetOverwriteError, match=r"the document of item.*asset 'a' of item"):
        await download_item(item, place.directory, config=config)
    collection = stac_of(collection_document(origin, "collection"), origin.href("/c.json"), "it")
    assert isinstance(collection, pystac.Collection)
    collection.assets["collection"].href = origin.href("/collection.json")
    with pytest.raises(AssetOverwriteError, match=r"the document of coll.*asset 'collection' of"):
        await download_collection(collection, place.directory, config=config)
    assert origin.requests == []
    assert place.files() == []


async def test_collision_with_an_alternate(origin: Origin, place: Place, config: Config) -> None:
    config.alternate_assets = ["mirror"]
    item = make_item(origin, "a", "b")
    item.assets["b"].extra_fields["alternate"] = {"mirror": {"href": origin.href("/m/A.tif")}}
    with pytest.raises(AssetOverwriteError, match=r"asset 'a' of .* and asset 'b' of"):
        await download_item(item, place.directory, config=config)
    assert origin.requests == []


async def test_alternate_of_the_same_name_is_no_collision(
    origin: Origin, place: Place, config: Config
) -> None:
    config.alternate_assets = ["mirror"]
    item = make_item(origin, "a", alternate={"mirror": {"href": origin.href("/m/a.tif")}})
    await download_item(item, place.directory, config=config)
    assert (place.directory / "a.tif").read_bytes() == origin.content("/m/a.tif")


class TestSymlinks:
    """What stands in the destination may be hostile, too."""

    @pytest.fixture(autouse=True)
    def _place(self, place: Place, origin: Origin) -> None:
        self.place, self.origin = place, origin
        self.item = make_item(origin, "a")
        self.file = place.directory / "a.tif"

    def check_file(self) -> None:
        """Checks that the asset's file is one of its own."""
        assert not self.file.is_symlink()
        assert self.file.read_bytes() == self.origin.content("/a.tif")

    @pytest.mark.parametrize("target", ["outside", "nothing/of/that/name", "outside/a.tif"])
    @pytest.mark.parametrize("overwrite", [False, True])
    async def test_folder_that_leads_outside_is_refused(
        self, config: Config, target: str, overwrite: bool
    ) -> None:
        config.overwrite = overwrite
        (self.place.directory / "the-item").symlink_to(self.place.outside.parent / target)
        items = items_of(self.item, make_item(self.origin, "a", name="good"))
        with pytest.raises(DownloadError) as caught:
            await download_item_collection(items, self.place.directory, config=config)
        (error,) = caught.value.exceptions
        assert isinstance(error, UnsafePathError | DestinationError)
        assert isinstance(error, UnsafePathError) or target == "outside/a.tif"
        assert "asset 'a' of item 'the-item'" in str(error)
        assert (self.place.directory / "good" / "a.tif").is_file()
        assert [request.path for request in self.origin.gets()] == ["/a.tif"]

    async def test_dry_run_says_that_it_would_be_refused(self, config: Config) -> None:
        (self.place.directory / "the-item").symlink_to(self.place.outside)
        items = items_of(self.item)
        plan = await plan_item_collection(items, self.place.directory, config=config)
        (row,) = plan.rows
        assert row.action == "fail"
        assert "outside of the directory" in (row.note or "")

    async def test_folder_that_leads_inside_is_fine(self, config: Config) -> None:
        (self.place.directory / "real").mkdir()
        (self.place.directory / "the-item").symlink_to("real")
        await download_item_collection(items_of(self.item), self.place.directory, config=config)
        assert (self.place.directory / "real" / "a.tif").is_file()

    @pytest.mark.parametrize("through", [False, True])
    async def test_one_folder_by_two_names_is_no_place_for_two(
        self, config: Config, through: bool
    ) -> None:
        directory = self.place.directory
        (directory / "real").mkdir()
        (directory / "the-item").symlink_to("real")
        if through:
            (directory / "link").symlink_to(directory)
            directory /= "link"
        items = items_of(self.item, make_item(self.origin, "a", name="real"))
        with pytest.raises(AssetOverwriteError, match="'the-item' and asset 'a' of item 'real'"):
            await download_item_collection(items, directory, config=config)
        assert self.origin.requests == []

    async def test_directory_may_be_a_symlink(self, config: Config, tmp_path: Path) -> None:
        link = self.place.directory / "link"
        real = self.place.directory / "real"
        real.mkdir()
        link.symlink_to(real)
        new = await download_item(self.item, link, config=config)
        assert (real / "a.tif").read_bytes() == self.origin.content("/a.tif")
        assert new.self_href == str(link / "the-item.json")

    async def test_file_elsewhere_is_not_written_through_its_symlink(self, config: Config) -> None:
        self.file.symlink_to(self.place.outside / "a.tif")
        config.overwrite = True
        await download_item(self.item, self.place.directory, config=config)
        self.check_file()

    async def test_file_elsewhere_that_is_not_the_assets_is_replaced(self, config: Config) -> None:
        self.file.symlink_to(self.place.outside / "a.tif")
        self.item.assets["a"].extra_fields["file:size"] = len(self.origin.content("/a.tif"))
        await download_item(self.item, self.place.directory, config=config)
        self.check_file()

    async def test_symlink_that_leads_nowhere_is_replaced(self, config: Config) -> None:
        self.file.symlink_to(self.place.outside / "nothing")
        await download_item(self.item, self.place.directory, config=config)
        self.check_file()

    async def test_document_elsewhere_is_not_written_through_its_symlink(
        self, config: Config
    ) -> None:
        document = self.place.directory / "the-item.json"
        document.symlink_to(self.place.outside / "a.tif")
        await download_item(self.item, self.place.directory, config=config)
        assert not document.is_symlink()
        assert stac_of_file(document).id == "the-item"

    async def test_part_file_that_leads_outside_is_refused(self, config: Config) -> None:
        part, _ = part_paths(self.file)
        part.symlink_to(self.place.outside / "a.tif")
        with pytest.raises(DownloadError, match="cannot write"):
            await download_item(self.item, self.place.directory, config=config)

    async def test_note_that_leads_outside_is_not_followed(self, config: Config) -> None:
        self.origin.put("/a.tif", size=300_000)
        _, note = part_paths(self.file)
        note.symlink_to(self.place.outside / "a.tif")
        await download_item(self.item, self.place.directory, config=config)
        self.check_file()

    async def test_tidying_up_does_not_reach_outside(self, config: Config) -> None:
        part, note = part_paths(self.file)
        part.symlink_to(self.place.outside / ".a.tif.part")
        note.symlink_to(self.place.outside / "a.tif")
        self.file.write_bytes(b"whatever")
        await download_item(self.item, self.place.directory, config=config)
        assert self.file.read_bytes() == b"whatever"


def test_folder_that_becomes_a_symlink_is_not_followed(tmp_path: Path) -> None:
    directory, outside = tmp_path / "in", tmp_path / "out"
    (directory / "item").mkdir(parents=True)
    outside.mkdir()
    contained = ContainedDirectory(directory)
    with contained.open_folder("item/a.tif") as folder:
        (directory / "item").rename(tmp_path / "moved")
        (directory / "item").symlink_to(outside)
        os.close(os.open("b.tif", os.O_CREAT | os.O_WRONLY, dir_fd=folder.fd))
        with pytest.raises(UnsafePathError, match="leads outside"):
            contained.check_still_there(folder)
        (directory / "item").unlink()
        (directory / "item").mkdir()
        with pytest.raises(DestinationError, match="moved or replaced"):
            contained.check_still_there(folder)
        (directory / "item").rmdir()
        (directory / "item").symlink_to(outside)
    with pytest.raises(UnsafePathError), contained.open_folder("item/a.tif"):
        raise AssertionError("a folder outside was opened")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("swapped", ["item", "item/deep"])
async def test_folder_that_is_swapped_during_a_download_leads_nowhere(
    origin: Origin, tmp_path: Path, swapped: str
) -> None:
    """The swap happens while the first half of the file is on disk."""
    directory, outside = tmp_path / "in", tmp_path / "out"
    (outside / "deep").mkdir(parents=True)
    href = origin.put("/a.tif", size=400_000)
    origin.fault("/a.tif", Truncate(after=200_000))
    path = directory / "item" / "deep" / "a.tif"
    transfer = Transfer("", "a", (Candidate(href, str(path)),), str(directory))

    class Swap(Reporter):
        swaps = 0

        def wrote(self, candidate: Candidate, size: int) -> None:
            if not self.swaps:
                self.swaps += 1
                (directory / swapped).rename(tmp_path / "moved")
                (directory / swapped).symlink_to(outside, target_is_directory=True)

    config = Config(retry_wait=0.01)
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations())
        engine.reporter = Swap()
        outcome = await engine.download(transfer)
    assert isinstance(outcome, Failed)
    assert [path for path in outside.rglob("*") if path.is_file()] == []


def test_symlink_within_the_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "relative").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "up").symlink_to("..")
    contained = ContainedDirectory(tmp_path)
    for key in ("relative/a", "absolute/a", "real/up/relative/a"):
        with contained.open_folder(key) as folder, contained.open_folder("real/a") as real:
            assert folder.is_same(real), key


def test_symlink_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with (
        pytest.raises(OSError, match="symbolic links"),
        ContainedDirectory(tmp_path).open_folder("loop/a"),
    ):
        raise AssertionError("a folder was opened")


def test_descriptors_are_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    (tmp_path / "item").mkdir()
    contained = ContainedDirectory(tmp_path)
    for _ in range(50):
        with contained.open_folder("item/a.tif"):
            pass
        with pytest.raises(FileNotFoundError), contained.open_folder("none/a.tif"):
            raise AssertionError("a folder was opened")
    del contained
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
