"""Content that contradicts the media type, the name or the roles of an asset."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import pytest

from stac_asset.transfer.declared_format import contradiction
from tests.support.transfers import file_transfer

PAGE = b"<!DOCTYPE html><html><body><form action='/login'></form></body></html>"
XML = b"<?xml version='1.0'?><metadata/>"
XML_ERROR = b"<Error><Code>AccessDenied</Code></Error>"
JSON = b'{"type": "Feature"}'
JSON_ERROR = b'{"error": "denied"}'
LISTING = b"<html><title>Index of /a/</title></html>"
TEXT_ERROR = b"Access denied"
POINTER = b"version https://git-lfs.github.com/spec/v1\n"
BLANK = b"\r\n"

BINARY = {PAGE, XML, XML_ERROR, JSON, JSON_ERROR, LISTING, POINTER, TEXT_ERROR, BLANK}
DATA = {PAGE, XML_ERROR, JSON_ERROR, LISTING, POINTER}
NOTHING = {LISTING, POINTER}
XML_CONTRADICTIONS = {PAGE, JSON_ERROR, TEXT_ERROR, LISTING, POINTER, BLANK}
JSON_CONTRADICTIONS = {PAGE, XML, XML_ERROR, TEXT_ERROR, LISTING, POINTER, BLANK}
PLAIN_CONTRADICTIONS = {PAGE, XML_ERROR, LISTING, POINTER}


def contradicts(head: bytes, href: str, media_type: str | None, *roles: str) -> bool:
    transfer = file_transfer(href, Path("/a"))
    transfer = dataclasses.replace(transfer, content_type=media_type, roles=roles)
    return contradiction(transfer, transfer.candidates[0], head) is not None


@pytest.mark.parametrize(
    "name",
    [
        "a.tif",
        "a.TIFF",
        "a.nc",
        "a.h5",
        "a.he5",
        "a.jp2",
        "a.zip",
        "a.tar",
        "a.tar.gz",
        "a.laz",
        "a.parquet",
        "a.gpkg",
        "a.pdf",
        "a.grib2",
        "a.jpg",
        "a.h5?token=1",
        "get?file=a.tif",
        "a.tif/content",
        "a.tif/download",
        "get?format=image/tiff",
    ],
)
def test_name_of_binary_file_excludes_texts(name: str) -> None:
    for head in BINARY:
        assert contradicts(head, f"https://example.com/{name}", None)
        assert contradicts(head, f"https://example.com/{name}", "application/octet-stream")
        assert contradicts(head, f"https://example.com/{name}", "text/plain", "metadata")


@pytest.mark.parametrize(
    "media_type",
    ["image/tiff; application=geotiff", "TIFF", "image/x-own", "application/x-hdf5", "video/mp4"],
)
def test_binary_media_type_excludes_texts(media_type: str) -> None:
    for head in BINARY:
        assert contradicts(head, "https://example.com/a", media_type)
        assert contradicts(head, "https://example.com/a.vrt", media_type) == (head in DATA)


@pytest.mark.parametrize(
    ("name", "media_type", "roles", "expected"),
    [
        ("a.html", None, (), set()),
        ("a.tif", "text/html", (), set()),
        ("a.txt", None, ("data",), PLAIN_CONTRADICTIONS),
        ("LC08_MTL.txt", None, ("metadata",), PLAIN_CONTRADICTIONS),
        ("a.txt", "text/plain", (), PLAIN_CONTRADICTIONS),
        ("a", "text/plain", (), NOTHING),
        ("a.md", None, ("data",), set()),
        ("a", None, ("metadata", "data"), set()),
        ("a.xml", None, (), XML_CONTRADICTIONS),
        ("a", "application/gml+xml", (), XML_CONTRADICTIONS),
        ("a.kml", None, (), XML_CONTRADICTIONS),
        ("a.json", None, (), JSON_CONTRADICTIONS),
        ("a.geojson", "text/plain", (), JSON_CONTRADICTIONS),
        ("a.tif", "application/geo+json", (), JSON_CONTRADICTIONS),
        ("a.csv", None, (), DATA),
        ("a.dat", None, (), DATA),
        ("a", None, ("data",), DATA),
        ("a.unknown", None, ("reflectance",), DATA),
        ("store.zarr", None, (), BINARY),
        ("X.SAFE/", None, (), BINARY),
        ("a", "application/vnd+zarr", (), BINARY),
        ("a/", None, (), DATA),
        ("store.zarr/0.0.1", None, (), DATA),
        ("store.zarr/.zattrs", None, (), DATA),
        ("Products(7)/$value", None, (), DATA),
        ("a", None, (), NOTHING),
        ("a.unknown", None, ("thumbnail",), NOTHING),
        ("download.php?id=7", None, (), NOTHING),
        ("a", "application/x-unknown", (), NOTHING),
        ("a", "application/octet-stream", (), DATA),
        ("a.md", "application/octet-stream", (), set()),
    ],
)
def test_other_assets_exclude_some_texts(
    name: str, media_type: str | None, roles: tuple[str, ...], expected: set[bytes]
) -> None:
    found = {
        head for head in BINARY if contradicts(head, f"https://e.com/{name}", media_type, *roles)
    }
    assert found == expected


@pytest.mark.parametrize("head", [PAGE, XML_ERROR, JSON_ERROR])
def test_compressed_page_is_compared_with_name_without_gz(head: bytes) -> None:
    packed = gzip.compress(head)
    assert contradicts(packed, "https://example.com/a.tif", None)
    assert contradicts(packed, "https://example.com/a.tif.gz", None)
    assert contradicts(head, "https://example.com/a.gz", None)
    for name in ("a.html.gz", "a.gz", "a.md.gz"):
        assert not contradicts(packed, f"https://example.com/{name}", None)


@pytest.mark.parametrize(
    "href", ["https://e.com/s.zarr", "https://e.com/a/", "s3://b/X.SAFE/", "/x.gdb"]
)
@pytest.mark.parametrize("head", [PAGE, LISTING])
def test_page_of_directory_is_recognized(href: str, head: bytes) -> None:
    transfer = file_transfer(href, Path("/a"))
    found = contradiction(transfer, transfer.candidates[0], head)
    assert found is not None
    assert found.is_directory
