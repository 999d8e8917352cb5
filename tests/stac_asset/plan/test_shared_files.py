"""Assets of an item with the same source share a file, and all others have distinct files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset import (
    Config,
    DownloadError,
    ErrorStrategy,
    FileNameStrategy,
    download_item,
    plan_item,
)
from stac_asset.config import selects
from stac_asset.plan.planner import Planner
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Status
from stac_asset.types import Transfer
from tests.support.items import item_from_origin
from tests.support.planning import DIRECTORY
from tests.support.strategies import DOCUMENTS, fuzz, texts


@pytest.mark.parametrize("strategy", FileNameStrategy)
@pytest.mark.parametrize("overwrite", [False, True])
async def test_assets_with_same_href_are_fetched_once(
    origin: Origin, tmp_path: Path, config: Config, strategy: FileNameStrategy, overwrite: bool
) -> None:
    config.file_name_strategy, config.overwrite = strategy, overwrite
    config.write_checksums = True
    item = item_from_origin(origin, "B1", "B2", "B3")
    hrefs = ["/granule.h5?sig=1#band1", "/granule.h5?sig=2#band2", "/granule.h5#band3"]
    for asset, path in zip(item.assets.values(), hrefs, strict=True):
        asset.href = origin.url + path
    new = await download_item(item, tmp_path, config=config)
    assert len(origin.gets("/granule.h5*")) == 1
    name = "B1.h5" if strategy is FileNameStrategy.KEY else "granule.h5"
    assert [asset.href for asset in new.assets.values()] == [f"./{name}"] * 3
    assert len({asset.extra_fields["file:checksum"] for asset in new.assets.values()}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "the-item.json"]


@pytest.mark.parametrize("error_strategy", ErrorStrategy)
async def test_failure_of_shared_file_fails_all_of_its_assets(
    origin: Origin, tmp_path: Path, config: Config, error_strategy: ErrorStrategy
) -> None:
    config.error_strategy = error_strategy
    item = item_from_origin(origin, "B1", "B2", "other")
    item.assets["B2"].href = item.assets["B1"].href
    origin.fault("/B1.tif", Status(404), times=0)
    with pytest.raises(DownloadError, match=r"^2 of 3 assets failed") as caught:
        await download_item(item, tmp_path, config=config)
    keys = [getattr(error, "key", None) for error in caught.value.exceptions]
    assert keys == ["B1", "B2"]
    assert len(origin.gets("/B1.tif")) == 1


async def test_plan_lists_assets_of_shared_file_once_with_bytes(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, "B1", "B2")
    item.assets["B2"].href = origin.put("/B1.tif", size=1000)
    plan = await plan_item(item, tmp_path, config=config)
    assert [(row.key, row.action, row.path) for row in plan.rows] == [
        ("B1", "download", str(tmp_path / "B1.tif")),
        ("B2", "skip", str(tmp_path / "B1.tif")),
    ]
    assert plan.rows[1].note == "same file as asset 'B1'"
    assert plan.needed == 1000


async def test_whole_number_is_a_declared_size(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", b"123456789")
    item = item_from_origin(origin, "a")
    item.assets["a"].extra_fields["file:size"] = 10.0
    with pytest.raises(DownloadError, match="declares 10"):
        await download_item(item, tmp_path, config=config)


async def test_declared_sizes_that_contradict_each_other_prevent_sharing(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, "right", "wrong")
    item.assets["wrong"].href = origin.put("/right.tif", size=10)
    item.assets["right"].extra_fields["file:size"] = 10
    item.assets["wrong"].extra_fields["file:size"] = 11
    with pytest.raises(DownloadError, match=r"^1 of 2 assets failed\n- asset 'wrong'"):
        await download_item(item, tmp_path, config=config)
    assert (tmp_path / "right_right.tif").stat().st_size == 10


async def test_hrefs_that_differ_in_query_have_distinct_files(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    item = item_from_origin(origin, "red", "nir", "other")
    for key, size in (("red", 10), ("nir", 20)):
        item.assets[key].href = origin.href(f"/data.tif?size={size}")
    selections: list[list[str]] = [[], ["nir"], ["red"], ["red", "nir"]]
    for include in selections:
        config.include = include
        await download_item(item, tmp_path, config=config)
        sizes = {path.name: path.stat().st_size for path in tmp_path.glob("data*.tif")}
        assert sizes == {"data_red.tif": 10, "data_nir.tif": 20}
    assert len(origin.gets("/data.tif*")) == 2


@pytest.mark.parametrize("include", [["red"], ["nir"]])
async def test_names_do_not_depend_on_selected_assets(
    origin: Origin, tmp_path: Path, config: Config, include: list[str]
) -> None:
    item = item_from_origin(origin, "red", "nir")
    for key, size in (("red", 10), ("nir", 20)):
        item.assets[key].href = origin.href(f"/data.tif?size={size}")
    config.include = include
    await download_item(item, tmp_path, config=config)
    assert [path.name for path in tmp_path.glob("*.tif")] == [f"data_{include[0]}.tif"]


@fuzz(200)
@given(
    assets=st.dictionaries(
        texts,
        st.sampled_from(["a.tif?x=1", "a.tif?x=2", "A.tif", "b/a.tif", "a_x.tif", "the-item.json"]),
        max_size=6,
    ),
    strategy=st.sampled_from(FileNameStrategy),
    data=st.data(),
)
def test_every_source_has_its_own_file_in_every_selection(
    assets: dict[str, str], strategy: FileNameStrategy, data: st.DataObject
) -> None:
    document = DOCUMENTS["item"] | {"assets": {key: {"href": href} for key, href in assets.items()}}
    item = stac_of(document, "https://host/item.json", "item")
    used: dict[str, str] = {}
    patterns = [key for key in sorted(assets) if key]  # An empty pattern is an error.
    include = data.draw(st.lists(st.sampled_from(patterns), max_size=3)) if patterns else []
    for selected in ([], include):
        config = Config(include=selected, file_name_strategy=strategy)
        planner = Planner(DIRECTORY, config, LOCAL_FACTS)
        planner.document("item", "the-item.json")
        planned = list(planner.assets(item))  # type: ignore[arg-type]
        keys = []
        for entry in planned:
            assert isinstance(entry, Transfer)
            keys += [entry.key, *entry.shared_with]
            assert {assets[key] for key in keys[-1 - len(entry.shared_with) :]} == {
                entry.href.removeprefix("https://host/")
            }
            path = unicodedata.normalize("NFC", entry.path).casefold()
            assert used.setdefault(path, entry.href) == entry.href
        assert sorted(keys) == sorted(key for key in assets if selects(config, key, {}))
