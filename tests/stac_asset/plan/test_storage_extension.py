"""The object store of an asset, as declared by the storage extension."""

from __future__ import annotations

from typing import Any

import pytest

from stac_asset.plan.storage_extension import storage_of
from stac_asset.types import Storage

SCHEMES: dict[str, Any] = {
    "azure": {"type": "ms-azure", "platform": "https://x.example", "region": "westeurope"},
    "aws": {
        "type": "aws-s3",
        "platform": "https://{bucket}.s3.{region}.amazonaws.com",
        "region": "eu-central-1",
        "requester_pays": True,
    },
    "custom": {
        "type": "custom-s3",
        "platform": "https://{bucket}.{region}.{provider}.example/",
        "region": "eu-de",
        "provider": "cloud",
    },
    "password": {"type": "custom-s3", "platform": "https://user:secret@example.com"},
}
AWS, CUSTOM = (
    Storage("eu-central-1", requester_pays=True),
    Storage("eu-de", "https://eu-de.cloud.example"),
)


def storage_of_refs(*refs: object) -> Storage | None:
    """Return the object store of an asset with the given scheme references."""
    return storage_of({"storage:refs": [*refs]}, {}, {"storage:schemes": SCHEMES})


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        (["aws"], AWS),
        (["custom"], CUSTOM),
        (["aws", "custom"], AWS),
        (["custom", "aws"], CUSTOM),
        (["azure", "aws"], AWS),
        (["missing", "aws"], AWS),
        ([5, ["aws"], "aws"], AWS),
        (["password"], Storage()),
        (["azure"], None),
        (["missing"], None),
        ([], None),
    ],
)
def test_first_usable_scheme_is_used(refs: list[object], expected: Storage | None) -> None:
    assert storage_of_refs(*refs) == expected


def test_refs_of_alternate_precede_refs_of_asset() -> None:
    alternate, asset = {"storage:refs": ["custom"]}, {"storage:refs": ["aws"]}
    owner = {"storage:schemes": SCHEMES}
    assert storage_of(alternate, asset, owner) == CUSTOM
    assert storage_of({}, asset, owner) == AWS
    assert storage_of({"storage:refs": ["azure"]}, asset, owner) == AWS


def test_schemes_precede_flat_fields() -> None:
    fields = {"storage:refs": ["custom"], "storage:region": "us-west-2"}
    assert storage_of(fields, {}, {"storage:schemes": SCHEMES}) == CUSTOM
    assert storage_of(fields, {}, {}) == Storage("us-west-2")


@pytest.mark.parametrize(
    ("platform", "endpoint"),
    [
        ("https://s3.example", "https://s3.example"),
        ("https://s3.example/", "https://s3.example"),
        ("https://s3.example:9000/path", "https://s3.example:9000/path"),
        ("http://s3.example/{bucket}", "http://s3.example"),
        ("https://{bucket}.s3.example", "https://s3.example"),
        ("https://{bucket}.s3.{region}.example", "https://s3.eu-de.example"),
        ("https://s3.{unknown}.example", None),
        ("https://user:secret@s3.example", None),
        ("https://s3.example/?query", None),
        ("https://s3.example:123456", None),
        ("ftp://s3.example", None),
        ("s3.example", None),
        ("", None),
        (5, None),
        (None, None),
    ],
)
def test_endpoint_of_custom_scheme(platform: object, endpoint: str | None) -> None:
    scheme = {"type": "custom-s3", "platform": platform, "region": "eu-de"}
    owner = {"storage:schemes": {"own": scheme}}
    assert storage_of({"storage:refs": ["own"]}, {}, owner) == Storage("eu-de", endpoint)


@pytest.mark.parametrize(
    "owner",
    [
        {},
        {"storage:schemes": None},
        {"storage:schemes": ["aws"]},
        {"storage:schemes": {"aws": None}},
        {"storage:schemes": {"aws": "aws-s3"}},
    ],
)
def test_invalid_schemes_are_ignored(owner: dict[str, Any]) -> None:
    assert storage_of({"storage:refs": ["aws"]}, {}, owner) is None


@pytest.mark.parametrize("refs", [None, "aws", {"aws": 1}, 5])
def test_invalid_refs_are_ignored(refs: object) -> None:
    assert storage_of({"storage:refs": refs}, {}, {"storage:schemes": SCHEMES}) is None


@pytest.mark.parametrize("value", ["true", 1, None, False])
def test_requester_pays_must_be_true(value: object) -> None:
    scheme = {"type": "aws-s3", "region": "us-west-2", "requester_pays": value}
    owner = {"storage:schemes": {"aws": scheme}}
    assert storage_of({"storage:refs": ["aws"]}, {}, owner) == Storage("us-west-2")
    fields = {"storage:region": "us-west-2", "storage:requester_pays": value}
    assert storage_of(fields, {}, {}) == Storage("us-west-2")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"storage:platform": "AWS", "storage:region": "us-west-2"}, Storage("us-west-2")),
        ({"storage:region": "us-west-2"}, Storage("us-west-2")),
        ({"storage:requester_pays": True}, Storage(requester_pays=True)),
        ({"storage:platform": "AZURE", "storage:region": "westeurope"}, Storage()),
        ({"storage:platform": "AWS", "storage:region": 5}, Storage()),
        ({"storage:platform": "AWS", "storage:region": ""}, Storage()),
        ({"storage:tier": "archive"}, None),
        ({}, None),
    ],
)
def test_flat_fields(fields: dict[str, Any], expected: Storage | None) -> None:
    assert storage_of(fields, {}, {}) == expected
    assert storage_of({}, fields, {}) == expected
    assert storage_of({}, {}, fields) == expected


def test_flat_fields_of_alternate_precede_those_of_asset_and_item() -> None:
    first, second, third = ({"storage:region": region} for region in ("one", "two", "three"))
    assert storage_of(first, second, third) == Storage("one")
    assert storage_of({}, second, third) == Storage("two")
    # The fields of one level are not combined with those of another level.
    azure = {"storage:platform": "AZURE", "storage:region": "westeurope"}
    assert storage_of({}, azure, third) == Storage()
