"""Documents of reruns reference the complete files of an earlier run for failed assets."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    ErrorStrategy,
    download_collection,
    download_item,
    download_item_collection,
)
from stac_asset.notices import collect_notices
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Status
from tests.support.collections import collection_document
from tests.support.items import item_document

KINDS = ["item", "collection", "item collection"]


class Run:
    """Downloads of one object to one directory, with the assets of the document.

    Args:
        kind: The kind of the object.
        origin: The origin of the assets.
        directory: The destination directory.
        config: The configuration.
    """

    def __init__(self, kind: str, origin: Origin, directory: Path, config: Config) -> None:
        self.kind, self.origin, self.directory, self.config = kind, origin, directory, config
        names = {"item": "the-item", "collection": "collection"}
        self.document = directory / f"{names.get(kind, 'item-collection')}.json"
        config.overwrite = True

    async def download(self, *keys: str, failing: int = 0, **assets: Any) -> None:
        """Download the assets of the given keys and further assets, and check for failures."""
        document = item_document(self.origin, *keys)
        if self.kind == "collection":
            document = collection_document(self.origin, *keys)
        document["assets"] |= assets
        if self.kind == "item collection":
            document = {"type": "FeatureCollection", "features": [document]}
        stac = stac_of(document, None, "document")
        expected = pytest.raises(DownloadError, match=rf"^{failing} of ")
        with expected if failing else nullcontext():
            match stac:
                case pystac.Item():
                    await download_item(stac, self.directory, config=self.config)
                case pystac.Collection():
                    await download_collection(stac, self.directory, config=self.config)
                case _:
                    await download_item_collection(stac, self.directory, config=self.config)

    def assets(self) -> dict[str, bytes | None]:
        """Return the content of each asset of the document. None for a remote asset."""
        return {
            key: None
            if asset["href"].startswith("http")
            else (self.directory / asset["href"]).read_bytes()
            for key, asset in self.owner()["assets"].items()
        }

    def owner(self) -> dict[str, Any]:
        """Return the item or collection of the document."""
        document = json.loads(self.document.read_bytes())
        [owner] = document.get("features", [document])
        return owner  # type: ignore[no-any-return]


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest, origin: Origin, tmp_path: Path, config: Config) -> Run:
    return Run(request.param, origin, tmp_path, config)


@pytest.mark.parametrize("strategy", ErrorStrategy)
async def test_failed_asset_keeps_its_earlier_file(
    run: Run, origin: Origin, strategy: ErrorStrategy
) -> None:
    run.config.error_strategy = strategy
    await run.download("a", "b")
    before = run.assets()
    origin.fault("/b.*", Status(403), times=0)
    with collect_notices() as notices:
        await run.download("a", "b", failing=1)
    assert run.assets() == before
    [line] = notices.lines()
    assert line.startswith("Downloads failed, and the document keeps the files of an earlier run: ")
    assert "asset 'b' of " in line


@pytest.mark.parametrize("selection", [{"include": ["b"]}, {"exclude": ["a"]}])
async def test_assets_that_are_no_longer_selected_keep_their_files(
    run: Run, selection: dict[str, list[str]]
) -> None:
    run.config.include = ["a"]
    await run.download("a", "b", "c")
    assert list(run.assets()) == ["a"]
    run.config.include, run.config.exclude = [], []
    for name, keys in selection.items():
        setattr(run.config, name, keys)
    await run.download("a", "b", "c")
    expected = ["a", "b"] if run.config.include else ["a", "b", "c"]
    assets = run.assets()
    assert list(assets) == expected
    assert None not in assets.values()


async def test_removed_or_replaced_file_of_an_unselected_asset_is_not_referenced(
    run: Run, origin: Origin
) -> None:
    await run.download("c", b={"href": origin.href("/old/a.tif")})
    next(run.directory.rglob("c.*")).unlink()
    run.config.include = ["a"]
    # The asset `a` has the file name of the earlier asset `b`.
    await run.download("c", a={"href": origin.href("/new/a.tif")}, b={"href": "/old/b.tif"})
    assert run.assets() == {"a": origin.content("/new/a.tif")}


@pytest.mark.parametrize("strategy", ErrorStrategy)
async def test_document_is_kept_if_all_assets_fail(
    run: Run, origin: Origin, strategy: ErrorStrategy
) -> None:
    run.config.error_strategy = strategy
    await run.download("a", "b")
    before = run.assets()
    origin.fault("*", Status(403), times=0)
    await run.download("a", "b", failing=2)
    assert run.assets() == before


async def test_document_without_files_is_not_replaced_by_an_empty_document(
    run: Run, origin: Origin
) -> None:
    await run.download("a")
    before = run.document.read_bytes()
    for file in run.directory.rglob("a.*"):
        file.unlink()
    origin.fault("*", Status(403), times=0)
    await run.download("a", failing=1)
    assert run.document.read_bytes() == before


async def test_no_document_is_written_if_all_assets_fail(run: Run, origin: Origin) -> None:
    origin.fault("*", Status(403), times=0)
    await run.download("a", "b", failing=2)
    assert list(run.directory.rglob("*.json")) == []
    run.config.error_strategy = ErrorStrategy.KEEP
    await run.download("a", "b", failing=2)
    assert run.assets() == {"a": None, "b": None}


async def test_earlier_file_with_another_name_is_kept_with_its_description(
    run: Run, origin: Origin
) -> None:
    origin.put("/old.tif", b"old")
    await run.download("a", b={"href": origin.href("/old.tif"), "file:size": 3, "title": "old"})
    new = {"href": origin.href("/new.tif"), "file:size": 1000, "title": "new"}
    origin.remove("/new.tif")
    await run.download("a", b=new, failing=1)
    assert run.assets()["b"] == b"old"
    assert b'"title": "old"' in run.document.read_bytes()


async def test_failed_asset_keeps_a_file_that_it_shared_with_another_asset(
    run: Run, origin: Origin
) -> None:
    run.config.overwrite = False
    band = {"href": origin.href("/bands.h5")}
    await run.download("a", red=band, nir=band)
    before = run.assets()
    origin.remove("/nir.h5")
    await run.download("a", red=band, nir={"href": origin.href("/nir.h5")}, failing=1)
    assert run.assets() == before


async def test_malformed_asset_keeps_its_earlier_file(run: Run) -> None:
    await run.download("a", "b")
    before = run.assets()
    await run.download("a", b={"href": 5}, failing=1)
    assert run.assets() == before


async def test_file_without_earlier_document_is_kept(run: Run, origin: Origin) -> None:
    await run.download("a", "b")
    before = run.assets()
    run.document.unlink()
    origin.fault("/b.*", Status(403), times=0)
    await run.download("a", "b", failing=1)
    assert run.assets() == before


@pytest.mark.parametrize("damage", ["missing", "another size", "outside", "folder"])
async def test_incomplete_file_is_not_kept(
    run: Run, origin: Origin, tmp_path: Path, damage: str
) -> None:
    origin.put("/b.tif", b"old")
    asset = {"href": origin.href("/b.tif"), "file:size": 3}
    await run.download("a", b=asset)
    [file] = run.directory.rglob("b.tif")
    file.unlink()
    if damage == "another size":
        file.write_bytes(b"o")
    elif damage == "folder":
        file.mkdir()
    elif damage == "outside":
        outside = tmp_path.parent / "outside.tif"
        outside.write_bytes(b"out")
        text = run.document.read_text()
        for href in ("./b.tif", str(file)):
            text = text.replace(f'"{href}"', f'"{outside}"')
        run.document.write_text(text)
    origin.fault("/b.tif", Status(403), times=0)
    await run.download("a", b=asset, failing=1)
    assert list(run.assets()) == ["a"]


async def test_file_of_another_asset_is_not_kept(run: Run, origin: Origin) -> None:
    await run.download("a", x={"href": origin.href("/old/a/x.tif")})
    origin.fault("/b/*", Status(403), times=0)
    # The new asset `b` has the file name of the earlier asset `x`.
    await run.download("a", b={"href": origin.href("/b/x.tif")}, failing=1)
    assert list(run.assets()) == ["a"]


async def test_earlier_file_that_another_asset_replaces_is_not_kept(
    run: Run, origin: Origin
) -> None:
    await run.download("a", x={"href": origin.href("/old/x.tif")})
    origin.fault("/new/*", Status(403), times=0)
    await run.download(
        "a",
        x={"href": origin.href("/new/renamed.tif")},
        y={"href": origin.href("/y/x.tif")},
        failing=1,
    )
    assert list(run.assets()) == ["a", "y"]


async def test_document_of_another_item_is_ignored(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    run = Run("item", origin, tmp_path, config)
    other = item_document(origin, name="other")
    (tmp_path / "secret.tif").write_bytes(b"other")
    other["assets"]["b"] = {"href": "./secret.tif"}
    run.document.write_text(json.dumps(other))
    origin.fault("/b.tif", Status(403), times=0)
    await run.download("a", "b", failing=1)
    assert list(run.assets()) == ["a"]


async def test_item_that_became_invalid_stays_in_the_item_collection(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    documents = [item_document(origin, "a", name=name) for name in ("one", "two", "three")]
    source = {"type": "FeatureCollection", "features": documents}
    items = stac_of(source, None, "items")
    assert isinstance(items, pystac.ItemCollection)
    await download_item_collection(items, tmp_path, config=config)
    documents[1]["assets"] = None
    documents[2]["properties"] = None
    documents[2]["id"] = "new"
    items = stac_of(source, None, "items")
    assert isinstance(items, pystac.ItemCollection)
    with pytest.raises(DownloadError, match=r"^2 of 3 assets failed\n- item 2 \('two'\)"):
        await download_item_collection(items, tmp_path, config=config)
    written = json.loads((tmp_path / "item-collection.json").read_bytes())["features"]
    assert [item["id"] for item in written] == ["one", "two"]
    assert written[1]["assets"]["a"]["href"] == "./two/a.tif"


@pytest.mark.parametrize("href", [None, "", "  "])
@pytest.mark.parametrize("overwrite", [True, False])
async def test_asset_that_lost_its_href_keeps_its_earlier_file(
    run: Run, href: str | None, overwrite: bool
) -> None:
    await run.download("a", "b")
    run.config.overwrite = overwrite
    before = run.assets()
    with collect_notices() as notices:
        for _ in range(2):
            await run.download("b", a={"href": href, "title": "new"})
    assert run.assets() == before
    assert run.owner()["assets"]["a"]["title"] == "new"
    assert "Assets lost their href, and the document keeps the files" in notices.lines()[-1]


async def test_asset_that_never_had_an_href_gets_no_file(run: Run) -> None:
    for _ in range(2):
        await run.download("a", b={"href": None})
        assert run.owner()["assets"]["b"].get("href") in (None, "")
