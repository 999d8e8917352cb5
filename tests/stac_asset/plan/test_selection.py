"""Patterns of `include` and `exclude` that no asset has."""

from __future__ import annotations

from pathlib import Path

import pystac
import pytest

from stac_asset import Config, download_collection, download_item, plan_item
from stac_asset.api.run import Run
from stac_asset.errors import NoAssetsError
from stac_asset.notices import collect_notices
from stac_asset.plan.selection import Selection
from stac_asset.testing import Origin
from stac_asset.types import Transfer
from tests.support.collections import collection_document
from tests.support.items import item_from_origin


def report(config: Config, *keys: str) -> tuple[NoAssetsError | None, list[str]]:
    """Return the error and the notices for items with the given asset keys."""
    selection = Selection(config)
    for key in keys:
        selection.add({key: None})
    with collect_notices() as notices:
        return selection.report(), notices.lines()


@pytest.mark.parametrize(
    ("unknown", "meant"), [("visaul", "visual"), ("scl", "SCL"), ("VISUAL", "visual")]
)
def test_notice_about_unknown_key_names_nearest_key(unknown: str, meant: str) -> None:
    error, notices = report(Config(include=["B04", unknown]), "visual", "SCL", "B04")
    assert error is None
    assert notices == [
        f"No asset has the key '{unknown}' of `include` (did you mean '{meant}'?); existing keys "
        "are 'visual', 'SCL', 'B04'"
    ]


def test_unknown_key_of_exclude_is_a_notice() -> None:
    error, notices = report(Config(exclude=["thumbnial"]), "thumbnail")
    assert error is None
    assert notices == [
        "No asset has the key 'thumbnial' of `exclude` (did you mean 'thumbnail'?); existing keys "
        "are 'thumbnail'"
    ]


def test_include_without_matching_asset_is_an_error() -> None:
    error, notices = report(Config(include=["red", "scl"]), "B04", "SCL")
    assert notices == []
    assert str(error) == (
        "`include` selects no asset: no asset has the key 'red', 'scl' (did you mean 'SCL'?); "
        "existing keys are 'B04', 'SCL'. Correct `include`."
    )


def test_keys_in_a_single_entry_get_advice_to_separate_them() -> None:
    error, _ = report(Config(include=["red, nir", "role:a,"]), "red", "nir")
    assert str(error).endswith(". Write `include=['red', 'nir', 'role:a']`.")
    error, (line,) = report(Config(include=["ndvi", "red,nir"]), "red", "nir", "ndvi")
    assert error is None
    assert line.endswith("'ndvi'. Write `include=['ndvi', 'red', 'nir']`.")
    _, (line,) = report(Config(exclude=["B0*,SCL"]), "SCL")
    assert line.endswith(". Write `exclude=['B0*', 'SCL']`.")
    _, notices = report(Config(include=["red,nir"]), "red,nir")
    assert notices == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (
            "role:dta",
            "No asset has the role 'dta' of `include` (did you mean 'role:data'?); existing roles "
            "are 'data', 'overview'",
        ),
        (
            "roles:data",
            "No asset has the key 'roles:data' of `include` (did you mean 'role:data'?); existing "
            "keys are 'a', 'b'",
        ),
        (
            "type:text/xml",
            "No asset has the media type 'text/xml' of `include`; existing media types are "
            "'image/tiff'",
        ),
        ("x*", "No asset has a key like 'x*' of `include`; existing keys are 'a', 'b'"),
    ],
)
def test_pattern_without_assets_is_a_notice(pattern: str, expected: str) -> None:
    selection = Selection(Config(include=["a", pattern]))
    selection.add({"a": {"roles": ["data"], "type": "image/tiff"}, "b": {"roles": ["overview"]}})
    with collect_notices() as notices:
        assert selection.report() is None
    assert notices.lines() == [expected]


def test_patterns_that_select_no_asset_are_an_error() -> None:
    error, notices = report(Config(include=["role:data", "x*", "y"]), "a")
    assert notices == []
    assert str(error) == (
        "`include` selects no asset: no asset has the role 'data'; no asset has a role, and no "
        "asset has a key like 'x*'; existing keys are 'a', and no asset has the key 'y'; existing "
        "keys are 'a'. Correct `include`."
    )


def test_matching_patterns_are_not_reported() -> None:
    config = Config(include=["a*", "role:data", "type:image/*"])
    selection = Selection(config)
    selection.add({"a1": {"type": "image/png"}})
    selection.add({"b": {"roles": ["data"]}})
    with collect_notices() as notices:
        assert selection.report() is None
    assert notices.lines() == []


def test_roles_of_mirrored_assets_are_not_reported_as_unknown() -> None:
    selection = Selection(Config(include=["role:data", "x*"]))
    selection.add_mirrored(["B04"])
    selection.add({"thumbnail": {"roles": ["thumbnail"]}})
    with collect_notices() as notices:
        assert selection.report() is None
    assert len(notices.lines()) == 1
    assert "'x*'" in notices.lines()[0]


@pytest.mark.parametrize("config", [Config(), Config(include=["a"]), Config(exclude=["a"])])
def test_known_keys_and_items_without_assets_are_not_reported(config: Config) -> None:
    assert report(config, "a", "b") == (None, [])
    assert report(config) == (None, [])


def test_messages_are_bounded() -> None:
    error, _ = report(Config(include=["x" * 1000]), *(f"{n}" * 200 for n in range(2000)))
    assert error is not None
    assert len(str(error)) < 2500
    assert "and 980 more" in str(error)


async def test_unknown_include_fails_before_any_request(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.include = ["visaul"]
    item = item_from_origin(origin, "visual", "b")
    collection = pystac.Collection.from_dict(collection_document(origin, "visual"))
    for call in (
        download_item(item, tmp_path / "out", config=config),
        plan_item(item, tmp_path / "out", config=config),
        download_collection(collection, tmp_path / "out", config=config),
    ):
        with pytest.raises(NoAssetsError, match=r"did you mean 'visual'\?"):
            await call
    with pytest.raises(NoAssetsError):
        Run(tmp_path, config).planner.plan_item_collection(
            pystac.ItemCollection([item]), None, None
        )
    assert origin.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "hrefs",
    [
        ["a.tif", "b.tif", "c.tif"],
        ["a.tif", "A.tif", "c.tif"],
        ["data.tif?band=1", "data.tif?band=2", "data_a.tif", "data_b.tif"],
        ["item.json", "item_a.json", "c.tif"],
        ["a%41.tif", "aA.tif", "", "../x/aA.tif"],
        [".a.part", "%2Ea.part", "data:,a", "s3://bucket/a%20b", "a b"],
    ],
)
def test_file_names_are_the_same_for_any_selection(hrefs: list[str], tmp_path: Path) -> None:
    item = pystac.Item("the-item", None, None, pystac.utils.now_in_utc(), {})
    item.set_self_href("https://example.com/item.json")
    for key, href in zip("abcdef", hrefs, strict=False):
        item.add_asset(key, pystac.Asset(href))

    def paths(config: Config) -> dict[str, str]:
        work = Run(tmp_path, config).planner.plan_item(item, "item.json")
        return {entry.key: entry.path for entry in work if isinstance(entry, Transfer)}

    every = paths(Config())
    for key, path in every.items():
        assert paths(Config(include=[key])) == {key: path}
