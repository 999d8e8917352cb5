"""Patterns of `include` and `exclude`: keys, globs, roles and media types."""

from __future__ import annotations

from typing import Any

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset import Config
from stac_asset.config import selects
from stac_asset.errors import ConfigError
from stac_asset.selection.patterns import AssetSelection
from tests.support.strategies import fuzz, texts, values

COG = "image/tiff; application=geotiff; profile=cloud-optimized"

ASSETS: dict[str, Any] = {
    "B04": {"href": "a", "type": COG, "roles": ["data", "reflectance"]},
    "B08": {"href": "b", "type": COG, "roles": ["data"]},
    "thumbnail": {"href": "c", "type": "image/jpeg", "roles": ["thumbnail"]},
    "metadata": {"href": "d", "type": "Application/XML", "roles": ["metadata"]},
    "bare": {"href": "e"},
}


def selected(config: Config, assets: dict[str, Any] = ASSETS) -> list[str]:
    """Return the selected keys, which are the same for JSON and for objects of pystac."""
    keys = [key for key, asset in assets.items() if selects(config, key, asset)]
    objects = {key: pystac.Asset.from_dict(asset) for key, asset in assets.items()}
    assert keys == [key for key, asset in objects.items() if selects(config, key, asset)]
    return keys


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("B04", ["B04"]),
        ("B0*", ["B04", "B08"]),
        ("B0[!4]", ["B08"]),
        ("?are", ["bare"]),
        ("b0*", []),
        ("role:data", ["B04", "B08"]),
        ("role:t*", ["thumbnail"]),
        ("role:Data", []),
        ("type:image/tiff", ["B04", "B08"]),
        ("type:image/*", ["B04", "B08", "thumbnail"]),
        ("type:image/tiff;application=geotiff*", ["B04", "B08"]),
        ("type:application/xml", ["metadata"]),
        ("type:*", ["B04", "B08", "thumbnail", "metadata"]),
        ("*", list(ASSETS)),
        ("roles:data", []),
    ],
)
def test_pattern_selects_assets(pattern: str, keys: list[str]) -> None:
    assert selected(Config(include=[pattern])) == keys
    assert selected(Config(exclude=[pattern])) == [key for key in ASSETS if key not in keys]


def test_asset_needs_to_match_only_one_of_several_patterns() -> None:
    config = Config(include=["role:thumbnail", "B04", "type:application/*"])
    assert selected(config) == ["B04", "thumbnail", "metadata"]


@pytest.mark.parametrize("key", ["B0*", "a[1]", "what?", "role:data", "type:image/tiff", "eo:red"])
def test_key_with_special_characters_matches_itself(key: str) -> None:
    assets = {key: {"href": "a"}, "other": {"href": "b"}}
    assert selected(Config(include=[key]), assets) == [key]
    assert selected(Config(exclude=[key]), assets) == ["other"]


@pytest.mark.parametrize("pattern", ["", "role:", "type:", "role: "])
@pytest.mark.parametrize("option", ["include", "exclude"])
def test_empty_pattern_is_an_error(option: str, pattern: str) -> None:
    config = Config(**{option: ["B04", pattern]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=rf"`{option}` has the empty pattern '"):
        config.validate()


@pytest.mark.parametrize(
    ("patterns", "is_known"),
    [(["a*"], True), (["b"], False), (["role:data"], True), (["b", "type:image/*"], True)],
)
def test_asset_with_unknown_fields_is_selected_if_they_can_select_it(
    patterns: list[str], is_known: bool
) -> None:
    assert AssetSelection(patterns).may_select("asset") is is_known
    assert AssetSelection((), ["as*"]).may_select("asset") is False
    assert AssetSelection((), ["role:data"]).may_select("asset") is True


patterns = st.lists(
    texts.map(lambda text: text if text.strip() else "key")
    | st.sampled_from(["role:data", "type:image/tiff*", "[", "[!", "*", "B0*", "***a*"]),
    max_size=4,
).map(lambda listed: [one for one in listed if one.partition(":")[2].strip() or ":" not in one])


@given(patterns, texts, values)
@fuzz(300)
def test_include_and_exclude_of_a_pattern_are_opposites(
    listed: list[str], key: str, asset: Any
) -> None:
    if not listed:
        assert selects(Config(), key, asset)
        return
    included = selects(Config(include=listed), key, asset)
    assert selects(Config(exclude=listed), key, asset) is not included
    assert included or key not in listed
    if included:
        assert AssetSelection(listed).may_select(key)


@given(texts.filter(bool), values)
@fuzz(200)
def test_any_key_selects_its_asset(key: str, asset: Any) -> None:
    if key in ("role:", "type:"):
        return
    assert selects(Config(include=[key]), key, asset)
    assert not selects(Config(exclude=[key]), key, asset)
