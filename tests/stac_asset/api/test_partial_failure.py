"""A failed asset does not affect the others, and the error names the asset and the owner."""

from __future__ import annotations

import gc
import json
import os
import pickle
from contextlib import suppress
from pathlib import Path

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    DownloadWarning,
    ErrorStrategy,
    download_collection,
    download_item,
    download_item_collection,
)
from stac_asset.errors import (
    HrefError,
    NotFoundError,
    SchemeError,
    StacAssetError,
)
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Status
from tests.support.collections import collection_document
from tests.support.failing_items import item_with_bad_asset
from tests.support.items import item_document
from tests.support.processes import wait_until

INVALID_ASSETS: dict[str, tuple[object, type[StacAssetError]]] = {
    "number for href": ({"href": 5}, HrefError),
    "list for href": ({"href": ["https://host/a.tif"]}, HrefError),
    "object for href": ({"href": {"href": "https://host/a.tif"}}, HrefError),
    "text": ("https://host/a.tif", HrefError),
    "number": (5, HrefError),
    "list": ([], HrefError),
    "no host": ({"href": "https:///a.tif"}, HrefError),
    "bad host": ({"href": "https://[host/a.tif"}, HrefError),
    "bad port": ({"href": "https://host:99999/a.tif"}, HrefError),
    "half a surrogate pair": ({"href": "https://host/\ud800.tif"}, HrefError),
    "unknown scheme": ({"href": "gopher://host/a.tif"}, SchemeError),
    "scheme of another tool": ({"href": "oss://bucket/a.zarr"}, SchemeError),
    "data": ({"href": "data:image/png;base64,AAAAA"}, HrefError),
    "missing file": ({"href": "./missing.tif"}, NotFoundError),
}

invalid_assets = pytest.mark.parametrize(
    ("asset", "kind"), INVALID_ASSETS.values(), ids=INVALID_ASSETS
)


@invalid_assets
@pytest.mark.parametrize("strategy", ErrorStrategy)
async def test_other_assets_are_downloaded(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    asset: object,
    kind: type[StacAssetError],
    strategy: ErrorStrategy,
) -> None:
    origin.remove("/missing.tif")
    config.error_strategy = strategy
    item = item_with_bad_asset(origin, asset)
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)
    (error,) = caught.value.exceptions
    assert isinstance(error, kind)
    assert (error.owner, error.key) == ("item 'the-item'", "bad")
    assert "asset 'bad' of item 'the-item': " in str(error)
    assert str(error) in str(caught.value)
    str(caught.value).encode()
    for key in ("first", "last"):
        assert (tmp_path / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")
    assets = json.loads((tmp_path / "the-item.json").read_bytes())["assets"]
    kept = ["bad"] if strategy is ErrorStrategy.KEEP else []
    assert sorted(assets) == sorted(["first", "last", *kept])
    if kept and isinstance(asset, dict) and isinstance(asset.get("href"), str):
        source = asset["href"].replace("./", origin.href("/"))
        assert assets["bad"]["href"] == source
    pickle.loads(pickle.dumps(caught.value))


@invalid_assets
async def test_fail_fast_raises_error_of_failed_asset(
    origin: Origin, tmp_path: Path, config: Config, asset: object, kind: type[StacAssetError]
) -> None:
    origin.remove("/missing.tif")
    config.fail_fast = True
    with pytest.raises(kind, match="asset 'bad' of item 'the-item': "):
        await download_item(item_with_bad_asset(origin, asset), tmp_path, config=config)
    assert not (tmp_path / "the-item.json").exists()


@invalid_assets
async def test_warn_replaces_error_by_warning(
    origin: Origin, tmp_path: Path, config: Config, asset: object, kind: type[StacAssetError]
) -> None:
    origin.remove("/missing.tif")
    config.warn = True
    with pytest.warns(DownloadWarning, match="asset 'bad' of item 'the-item': ") as caught:
        new = await download_item(item_with_bad_asset(origin, asset), tmp_path, config=config)
    assert len(caught) == 1
    assert sorted(new.assets) == ["first", "last"]


async def test_other_assets_of_collections_are_downloaded(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    document = collection_document(origin, "first", "bad")
    document["assets"]["bad"] = {"href": 5}
    collection = stac_of(document, origin.href("/collection.json"), "collection")
    assert isinstance(collection, pystac.Collection)
    with pytest.raises(DownloadError, match="asset 'bad' of collection 'the-collection': "):
        await download_collection(collection, tmp_path, config=config)
    assert (tmp_path / "first.png").is_file()
    items = [item_document(origin, "first", name=name) for name in ("a", "b", "c")]
    items[1]["assets"]["bad"] = {"href": 5}
    source = stac_of({"type": "FeatureCollection", "features": items}, None, "items")
    assert isinstance(source, pystac.ItemCollection)
    with pytest.raises(DownloadError, match="1 of 4 assets failed\n- asset 'bad' of item 'b': "):
        await download_item_collection(source, tmp_path, config=config)
    assert len(list(tmp_path.glob("*/first.tif"))) == 3
    written = json.loads((tmp_path / "item-collection.json").read_bytes())
    assert [sorted(item["assets"]) for item in written["features"]] == [["first"]] * 3


async def test_kept_asset_with_malformed_href_has_empty_href(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.error_strategy = ErrorStrategy.KEEP
    item = item_with_bad_asset(origin, {"href": "./bad.tif", "title": "kept"})
    item.assets["bad"].href = 5  # type: ignore[assignment]
    with pytest.raises(DownloadError, match="href is not a string"):
        await download_item(item, tmp_path, config=config)
    assert json.loads((tmp_path / "the-item.json").read_bytes())["assets"]["bad"] == {
        "href": "",
        "title": "kept",
    }
    assert item.assets["bad"].href == 5  # type: ignore[comparison-overlap]


async def test_download_error_contains_all_failures(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    keys = [f"k{number:02}" for number in range(17)]
    document = item_document(origin, *keys)
    for key in keys[:12]:
        origin.fault(f"/{key}.tif", Status(403), times=0)
    for key in keys[12:15]:
        document["assets"][key] = {"href": 5}
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)
    error = caught.value
    failed = [str(getattr(entry, "key", None)) for entry in error.exceptions]
    assert sorted(failed) == keys[:15]
    first, *lines = str(error).splitlines()
    assert first == "15 of 17 assets failed"
    assert len(lines) == 11
    assert lines == [f"- {entry}" for entry in error.exceptions[:10]] + ["- and 5 more"]
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error)
    assert [str(entry) for entry in copied.exceptions] == [str(entry) for entry in error.exceptions]
    assert (copied.total, len(copied.exceptions)) == (17, 15)


def open_below(folder: Path) -> list[str]:
    """Return the paths of the open files and folders of this process in a folder."""
    paths = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # The origin closes connections in another thread.
            paths.append(os.readlink(f"/proc/self/fd/{name}"))
    return [path for path in paths if Path(path).is_relative_to(folder)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are read from /proc")
@pytest.mark.parametrize("options", [{}, {"warn": True}, {"fail_fast": True}], ids=str)
@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
async def test_failed_run_leaves_nothing_open(
    options: dict[str, bool], origin: Origin, tmp_path: Path
) -> None:
    origin.fault("/missing.tif", Status(404), times=0)
    item = pystac.Item.from_dict(item_document(origin))
    item.assets = {
        "missing": pystac.Asset(origin.href("/missing.tif")),
        "data": pystac.Asset(origin.put("/folder/data.tif")),
    }
    gc.collect()
    gc.disable()
    try:
        with suppress(StacAssetError):
            await download_item(item, tmp_path / "items", config=Config(**options))
        # A thread may keep the arguments of its last call until after the result.
        await wait_until(lambda: not open_below(tmp_path), seconds=60)
    finally:
        gc.enable()
