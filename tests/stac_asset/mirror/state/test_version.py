"""Changes that make a new version of an item."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest

from stac_asset.mirror.state.version import Version, version_of

ITEM: dict[str, Any] = {
    "id": "a",
    "properties": {"updated": "2026-06-01T00:00:00Z"},
    "assets": {
        "B04": {"href": "https://e.com/B04.tif?X-Amz-Signature=1&v=2", "file:size": 5},
        "B08": {"href": "../B08.tif", "file:checksum": "1220"},
    },
}


def version(item: dict[str, Any], etag: str | None = None, *wanted: str) -> Version:
    return version_of(
        item, "https://e.com/items/a.json", etag, lambda key, asset: key in wanted or not wanted
    )


def with_asset(**fields: Any) -> dict[str, Any]:
    item = copy.deepcopy(ITEM)
    item["assets"]["B04"] |= fields
    return item


@pytest.mark.parametrize(
    "href",
    [
        "https://e.com/B04.tif?X-Amz-Signature=other&v=2",
        "https://e.com/B04.tif?v=2&X-Amz-Expires=9&X-Amz-Security-Token=t",
        "https://e.com/B04.tif?v=2&se=2026-06-02&sp=r&sig=abc&sv=1&sr=c",
        "https://e.com/B04.tif?v=2",
        "https://user:password@e.com/B04.tif?v=2",
    ],
)
def test_href_signature_does_not_change_version(href: str) -> None:
    assert version(with_asset(href=href)).is_included_in(version(ITEM))


@pytest.mark.parametrize(
    "fields",
    [
        {"href": "https://e.com/B04.tif?v=3"},
        {"href": "https://e.com/other/B04.tif?v=2"},
        {"file:size": 6},
        {"file:checksum": "1220" + "0" * 64},
        {"updated": "2026-06-02T00:00:00Z"},
        {"href": 5},
        {"href": ""},
    ],
)
def test_asset_field_changes_version(fields: dict[str, Any]) -> None:
    changed = version(with_asset(**fields))
    assert not changed.is_included_in(version(ITEM))
    assert changed.has_same_age(version(ITEM))


def test_other_fields_do_not_change_version() -> None:
    item = with_asset(title="B", roles=["data"])
    item["links"] = [{"rel": "self", "href": "x"}]
    item["properties"]["eo:cloud_cover"] = 5
    assert version(item).is_included_in(version(ITEM))
    assert not version(item).has_same_metadata(version(ITEM))


@pytest.mark.parametrize(
    "updated",
    [
        "2026-06-01T00:00:00+00:00",
        "2026-06-01T00:00:00.000Z",
        "2026-06-01T02:00:00.000000+02:00",
        "2026-06-01t00:00:00z",
        "2026-06-01T00:00:00",
    ],
)
def test_form_of_time_does_not_change_version(updated: str) -> None:
    same = ITEM | {"properties": {"updated": updated}}
    assert version(same).is_included_in(version(ITEM))
    assert version(same).has_same_metadata(version(ITEM))
    later = ITEM | {"properties": {"updated": updated.replace("00:00:00", "00:00:01", 1)}}
    if later != same:
        assert not version(later).is_included_in(version(ITEM))
    asset = with_asset(updated="2026-06-01T00:00:00Z")
    assert version(with_asset(updated=updated)).is_included_in(version(asset))


def test_stored_versions_of_earlier_releases_are_recognized() -> None:
    given = with_asset(**{"updated": "2026-06-01T00:00:00+00:00", "file:size": 5.0})
    now = version(given)
    values = ["https://e.com/B04.tif?v=2", 5.0, None, "2026-06-01T00:00:00+00:00"]
    digest = hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
    stored = {"updated": now.updated, "assets": {**now.assets, "B04": digest}}
    assert now.is_included_in(Version.from_dict(stored))
    assert not now.has_same_metadata(Version.from_dict(stored))


def test_etag_counts_only_without_updated_property_and_digest() -> None:
    later = ITEM | {"properties": {"updated": "2026-06-02T00:00:00Z"}}
    assert not version(later).is_included_in(version(ITEM))
    never = ITEM | {"properties": {}}
    assert not version(never).is_included_in(version(ITEM))
    assert version(never, '"1"').is_included_in(version(never))
    # A digest of the document shows changes more precisely than an ETag.
    assert version(never, '"1"').is_included_in(version(never, '"2"'))
    stored = Version(None, '"2"', version(never).assets)
    assert not version(never, '"1"').is_included_in(stored)
    # `updated` takes precedence over the ETag: a rewritten document does not change the item.
    assert version(ITEM, '"1"').is_included_in(version(ITEM, '"2"'))


def test_only_selected_assets_are_compared() -> None:
    changed = with_asset(href="https://e.com/new.tif")
    assert version(changed, None, "B08").is_included_in(version(ITEM, None, "B08"))
    assert not version(ITEM, None, "B04", "B08").is_included_in(version(ITEM, None, "B08"))
    assert version(ITEM, None, "B08").is_included_in(version(ITEM))


def test_version_is_restored_from_dict() -> None:
    original = version(ITEM, '"1"')
    assert Version.from_dict(original.to_dict()) == original
    for fields in (None, [], {}, {"assets": 5}, {"assets": {"a": 1}}):
        with pytest.raises(ValueError, match="no valid `assets`"):
            Version.from_dict(fields)


@pytest.mark.parametrize(
    "item",
    [{}, {"assets": []}, {"assets": {"a": 5}, "properties": 3}, {"assets": {"a": {"href": {}}}}],
)
def test_malformed_item_has_a_version(item: dict[str, Any]) -> None:
    assert version(item).is_included_in(version(copy.deepcopy(item)))
