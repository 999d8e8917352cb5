"""Hrefs that no built-in client opens, and paths of GDAL: alternates, translation and errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, DownloadError, asset_exists, download_item
from stac_asset.errors import HrefError
from stac_asset.hrefs import absolute_href, is_openable, parse_href, translated_href
from stac_asset.testing import Origin

UNSUPPORTED = [
    "gs://bucket/a.tif",
    "az://container/a.tif",
    "abfs://container@account/a.tif",
    "ftp://example.com/a.tif",
    "magnet:?xt=urn:btih:abc",
    "unknown+scheme://host/a.tif",
    "/vsigs/bucket/a.tif",
    "/vsiaz/container/a.tif",
    "/vsizip//vsicurl/https://example.com/a.zip/a.tif",
    "/vsimem/a.tif",
    "",
]


@pytest.fixture(autouse=True)
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment without the package of the extras `gcs` and `azure`."""
    monkeypatch.setitem(sys.modules, "obstore", None)


def item_with(href: str, alternates: dict[str, str]) -> pystac.Item:
    item = pystac.Item("i", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    alternate = {name: {"href": value} for name, value in alternates.items()}
    item.add_asset("data", pystac.Asset(href, extra_fields={"alternate": alternate}))
    return item


@pytest.mark.parametrize("href", UNSUPPORTED)
async def test_alternate_is_used_if_no_client_opens_the_href(
    origin: Origin, tmp_path: Path, href: str
) -> None:
    item = item_with(href, {"azure": "az://c/a.tif", "https": origin.put("/b.tif", size=9)})
    await download_item(item, tmp_path)
    assert (tmp_path / "b.tif").read_bytes() == origin.content("/b.tif")


async def test_alternate_is_checked_if_no_client_opens_the_href(origin: Origin) -> None:
    item = item_with("gs://bucket/a.tif", {"https": origin.put("/b.tif", size=9)})
    assert await asset_exists(item.assets["data"])


async def test_alternate_is_not_used_if_a_client_opens_the_href(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_with(origin.href("/missing.tif"), {"https": origin.put("/b.tif", size=9)})
    origin.remove("/missing.tif")
    with pytest.raises(DownloadError, match="404"):
        await download_item(item, tmp_path)
    assert not origin.gets("/b.tif")


async def test_error_is_that_of_the_alternate_if_it_was_requested(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_with("gs://bucket/a.tif", {"https": origin.href("/missing.tif")})
    origin.remove("/missing.tif")
    with pytest.raises(DownloadError, match=r"404 .*missing\.tif"):
        await download_item(item, tmp_path)


@pytest.mark.parametrize("href", UNSUPPORTED[:-1])
async def test_error_names_the_href_without_a_usable_alternate(tmp_path: Path, href: str) -> None:
    with pytest.raises(DownloadError) as raised:
        await download_item(item_with(href, {"other": "gs://b/c.tif"}), tmp_path)
    [error] = raised.value.exceptions
    assert "allow_local_hrefs" not in str(error)
    assert "asset 'data' of item 'i'" in str(error)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/vsicurl/https://example.com/a.tif?x=1", "https://example.com/a.tif?x=1"),
        ("/vsicurl_streaming/http://example.com/a.tif", "http://example.com/a.tif"),
        (
            "/vsicurl?max_retry=3&url=https%3A%2F%2Fexample.com%2Fa%20b.tif",
            "https://example.com/a b.tif",
        ),
        ("/vsis3/bucket/k/a.tif", "s3://bucket/k/a.tif"),
        ("/vsis3_streaming/bucket/a.tif", "s3://bucket/a.tif"),
        ("/vsigs/bucket/a.tif", "gs://bucket/a.tif"),
        ("/vsiaz/container/a.tif", "az://container/a.tif"),
        ("/vsiadls/container/a.tif", "abfs://container/a.tif"),
        ("/data/vsicurl/a.tif", "/data/vsicurl/a.tif"),
        ("/vsite/a.tif", "/vsite/a.tif"),
        ("https://example.com/vsis3/b/a.tif", "https://example.com/vsis3/b/a.tif"),
    ],
)
def test_paths_of_gdal_are_translated(path: str, url: str) -> None:
    assert translated_href(path) == url


def test_path_of_gdal_is_not_resolved_against_the_document() -> None:
    assert absolute_href("/vsis3/b/a.tif", "https://example.com/item.json") == "s3://b/a.tif"


@pytest.mark.parametrize(
    "path",
    [
        "/vsizip//vsicurl/https://example.com/a.zip/a.tif",
        "/vsizip/{/vsicurl/https://example.com/a.zip}/a.tif",
        "/vsitar//vsis3/bucket/a.tar/a.tif",
        "/vsigzip//vsicurl/https://example.com/a.tif.gz",
        "/vsicurl/a.tif",
        "/vsicurl?url=",
        "/vsis3/",
        "/vsis3",
        "/vsis3?bucket=b",
        "/vsimem/a.tif",
    ],
)
def test_other_paths_of_gdal_have_a_clear_error(path: str) -> None:
    assert not is_openable(path)
    with pytest.raises(HrefError, match="is a path of GDAL that has no URL of its own"):
        parse_href(path)


async def test_file_behind_a_path_of_gdal_is_downloaded(origin: Origin, tmp_path: Path) -> None:
    item = item_with(f"/vsicurl/{origin.put('/a.tif', size=9)}", {})
    await download_item(item, tmp_path, config=Config(fail_fast=True))
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
