"""Malformed links, alternates and fields do not fail the download of an asset."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    download_item,
)
from stac_asset.errors import (
    ChecksumError,
)
from stac_asset.notices import collect_notices
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.support.failing_items import item_with_bad_asset
from tests.support.items import item_document

INVALID_LINKS: list[Any] = [
    {"rel": "about", "href": ""},
    {"rel": "about", "href": None},
    {"rel": "about", "href": 5},
    {"rel": "about"},
    {"href": "https://host/"},
    {"rel": 5, "href": "https://host/"},
    "https://host/",
    None,
]


@pytest.mark.parametrize("link", INVALID_LINKS, ids=str)
async def test_invalid_link_is_removed(
    origin: Origin, tmp_path: Path, config: Config, link: Any
) -> None:
    good = {"rel": "license", "href": "./license.txt"}
    document = item_document(origin, "a") | {"links": [link, good]}
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    new = await download_item(item, tmp_path, config=config)
    assert [found.rel for found in new.links] == ["license", "derived_from", "self"]
    assert new.links[0].get_href() == origin.href("/license.txt")


@pytest.mark.parametrize("href", ["", 5])
async def test_invalid_link_of_given_item_is_removed(
    origin: Origin, tmp_path: Path, config: Config, href: Any
) -> None:
    item = pystac.Item.from_dict(item_document(origin, "a"))
    item.add_link(pystac.Link("about", href))
    new = await download_item(item, tmp_path, config=config)
    assert [found.rel for found in new.links] == ["self"]


INVALID_ALTERNATES: list[Any] = [
    None,
    5,
    "https://host/a.tif",
    [],
    ["mirror"],
    {},
    {"mirror": None},
    {"mirror": 5},
    {"mirror": "https://host/a.tif"},
    {"mirror": []},
    {"mirror": {}},
    {"mirror": {"href": None}},
    {"mirror": {"href": 5}},
    {"mirror": {"href": ""}},
    {"mirror": {"href": "gopher://host/bad.tif"}},
    {"mirror": {"href": "https://[host/bad.tif"}},
    {"mirror": {"href": "file:///etc/passwd"}},
    {"mirror": {"href": "./missing/bad.tif"}},
    {"href": "s3://bucket/bad.tif", "title": "bare"},
    {"mirror": {"href": "./mirror/bad.tif", "storage:refs": 5, "alternate:name": 5}},
]


@pytest.mark.parametrize("alternate", INVALID_ALTERNATES, ids=str)
async def test_invalid_alternate_is_ignored(
    origin: Origin, tmp_path: Path, config: Config, alternate: Any
) -> None:
    origin.remove("/missing/bad.tif")
    config.alternate_assets = ["mirror", "href"]
    item = item_with_bad_asset(origin, {"href": "./bad.tif", "alternate": alternate})
    await download_item(item, tmp_path, config=config)
    sources = [origin.content(path) for path in ("/bad.tif", "/mirror/bad.tif")]
    assert (tmp_path / "bad.tif").read_bytes() in sources


@pytest.mark.parametrize("asset", [{"href": ""}, {}, {"href": "gopher://host/bad.tif"}], ids=str)
async def test_alternate_replaces_unusable_href(
    origin: Origin, tmp_path: Path, config: Config, asset: dict[str, Any]
) -> None:
    config.alternate_assets = ["mirror"]
    asset = asset | {"alternate": {"mirror": {"href": "./mirror/bad.tif"}}}
    await download_item(item_with_bad_asset(origin, asset), tmp_path, config=config)
    assert (tmp_path / "bad.tif").read_bytes() == origin.content("/mirror/bad.tif")


@pytest.mark.parametrize(
    "fields",
    [
        {"type": 5},
        {"type": ["image/tiff"]},
        {"type": {}},
        {"type": ""},
        {"roles": 5, "title": ["x"], "description": {}},
        {"storage:refs": {"a": 1}, "storage:region": 5, "storage:requester_pays": "yes"},
        {"auth:refs": 5, "proj:epsg": {"deep": [[[]]]}, "": None},
        {"file:size": None, "file:checksum": None},
    ],
    ids=str,
)
async def test_fields_of_wrong_type_are_preserved(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    fields: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    new = await download_item(
        item_with_bad_asset(origin, {"href": "./bad.tif", **fields}), tmp_path, config=config
    )
    assert (tmp_path / "bad.tif").read_bytes() == origin.content("/bad.tif")
    written = new.assets["bad"].to_dict()
    assert all(written[name] == value for name, value in fields.items() if value is not None)
    assert caplog.records == []


def multihash(name: str, *, data: bytes, code: str, length: int | None = None) -> str:
    """Return the multihash of data, truncated to `length` bytes of digest."""
    digest = hashlib.new(name, data).digest()[:length]
    return f"{code}{len(digest):02x}{digest.hex()}"


PLAIN_DIGESTS = [
    hashlib.new(name, b"x").hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
]

UNVERIFIABLE: list[tuple[str, object]] = [
    *(("file:checksum", digest) for digest in PLAIN_DIGESTS),
    ("file:checksum", "120e" + "5" * 28),  # An MD5 that looks like a truncated multihash.
    ("file:checksum", "131e" + "5" * 60),  # A SHA2-256 that looks like a multihash.
    ("file:checksum", '"33a64df551425fcc55e4d42a148795d9f25f89d4"'),
    ("file:checksum", "33a64df551425fcc-5"),
    ("file:checksum", 'W/"abc"'),
    ("file:checksum", ""),
    ("file:checksum", "1220"),
    ("file:checksum", "1220" + "5" * 62),
    ("file:checksum", "1220" + "5" * 66),
    ("file:checksum", "1228" + "5" * 80),  # Longer than a SHA2-256 digest.
    ("file:checksum", "120255"),
    ("file:checksum", "7f20" + "5" * 64),  # Unknown algorithm.
    ("file:checksum", "ffffffffffffffffffff20" + "5" * 64),
    ("file:checksum", "sha256:" + "5" * 64),
    ("file:checksum", "5" * 100_000),
    ("file:checksum", 5),
    ("file:checksum", ["1220" + "5" * 64]),
    ("file:checksum", {"sha256": "5" * 64}),
    ("file:checksum", True),
    ("file:size", "123"),
    ("file:size", 1.5),
    ("file:size", -1),
    ("file:size", True),
    ("file:size", [123]),
    ("file:size", {}),
    ("file:size", float("inf")),
]


@pytest.mark.parametrize(("field", "value"), UNVERIFIABLE, ids=lambda value: str(value)[:30])
async def test_invalid_size_or_checksum_is_logged_and_ignored(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    field: str,
    value: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    item = item_with_bad_asset(origin, {"href": "./bad.tif", field: value})
    with collect_notices() as notices:
        await download_item(item, tmp_path, config=config)
    assert (tmp_path / "bad.tif").read_bytes() == origin.content("/bad.tif")
    record, *others = caplog.records
    assert [other.name for other in others] == ["stac_asset.notices"] * (value == float("inf"))
    assert record.levelno == logging.WARNING
    assert record.name.startswith("stac_asset")
    text = record.getMessage()
    assert text.startswith(f"Assets cannot be verified, because their {field} is not a ")
    assert text.endswith(" of asset 'bad' of item 'the-item'")
    assert len(text) < 300
    assert notices.lines()[0] == text


@pytest.mark.parametrize("case", ["lower", "upper"])
@pytest.mark.parametrize(("code", "name", "length"), [("12", "sha256", None), ("12", "sha256", 20)])
async def test_truncated_and_uppercase_checksums_are_verified(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    case: str,
    code: str,
    name: str,
    length: int | None,
) -> None:
    valid = multihash(name, data=origin.content("/bad.tif"), code=code, length=length)
    mismatched = multihash(name, data=b"other data", code=code, length=length)
    valid, mismatched = (text.upper() if case == "upper" else text for text in (valid, mismatched))
    item = item_with_bad_asset(origin, {"href": "./bad.tif", "file:checksum": valid})
    await download_item(item, tmp_path / "valid", config=config)
    item = item_with_bad_asset(origin, {"href": "./bad.tif", "file:checksum": mismatched})
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path / "mismatched", config=config)
    assert [type(error) for error in caught.value.exceptions] == [ChecksumError]
    assert caplog.records == []
