"""Content types of responses, compared with the media types of assets."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.errors import ContentError, ContentTypeError
from stac_asset.notices import collect_notices
from stac_asset.validate import check_content_type, content_type

HREF = "https://example.com/a"

SAME = [
    ("image/tiff", "TIFF"),
    ("image/tiff", "image/tif"),
    ("IMAGE/TIFF", "image/tiff; application=geotiff; profile=cloud-optimized"),
    ('"image/tiff"', "GeoTIFF"),
    ("application/octet-stream, image/tiff", "image/tiff"),
    ("image/png, image/tiff", "image/tiff"),
    ('image/tiff; profile="a,b"', "image/tiff"),
    ("image/jpeg", "image/jpg"),
    ("image/jpeg2000", "image/jp2"),
    ("application/x-zip-compressed", "application/zip"),
    ("application/x-gzip", "application/gzip"),
    ("application/x-parquet", "application/vnd.apache.parquet"),
    ("application/netcdf", "application/x-hdf5"),
    ("application/json; charset=utf-8", "application/geo+json"),
    ("text/xml;charset=UTF-8", "application/gml+xml"),
    ("application/vnd.iso.19139+xml", "text/xml"),
    ("application/xhtml+xml", "text/html"),
    ("application/x-sqlite3", "application/geopackage+sqlite3"),
    ("binary/octet-stream", "image/tiff"),
    ("application/x-download", "image/tiff"),
]

DIFFERENT = [
    ("text/plain; charset=us-ascii", "image/tiff"),
    ("image/tiff", "text/plain"),
    ("application/x-own-format", "image/tiff"),
    ("application/zip", "application/vnd.google-earth.kmz"),
    ("application/gzip", "image/tiff"),
    ("application/zip", "application/vnd+zarr"),
]

CONTRADICTING = [
    ("text/html", "image/tiff"),
    ("TEXT/HTML; charset=utf-8", "TIFF"),
    ("application/xhtml+xml", "application/zip"),
    ("text/html", "application/json"),
    ("text/html", "application/x-own-format"),
    ("text/html", "text/plain"),
    ("application/json", "image/tiff"),
    ("application/problem+json", "application/x-netcdf"),
    ("application/xml", "application/zip"),
    ("image/png", "image/tiff"),
    ("application/json", "application/zip"),
]


@pytest.mark.parametrize(("actual", "expected"), SAME)
def test_names_of_one_format_match(actual: str, expected: str) -> None:
    with collect_notices() as notices:
        check_content_type(actual, expected, True, HREF)
        content_type(actual, expected)
    assert notices.lines() == []


@pytest.mark.parametrize(("actual", "expected"), DIFFERENT)
def test_different_types_without_contradiction_are_a_notice(actual: str, expected: str) -> None:
    with collect_notices() as notices:
        check_content_type(actual, expected, True, HREF)
    (line,) = notices.lines()
    assert f"'{actual}' instead of '{expected}' for {HREF}" in line
    content_type(actual, expected)


@pytest.mark.parametrize(("actual", "expected"), CONTRADICTING)
def test_contradicting_types_are_an_error(actual: str, expected: str) -> None:
    with pytest.raises(ContentTypeError) as raised:
        check_content_type(actual, expected, True, HREF)
    assert (raised.value.actual, raised.value.expected) == (actual, expected)
    assert ("a login may be needed" in str(raised.value)) == ("html" in actual.lower())
    with collect_notices() as notices:
        check_content_type(actual, expected, False, HREF)
    assert len(notices.lines()) == 1


@pytest.mark.parametrize("actual", ["application/x-directory", "httpd/unix-directory; charset=x"])
@pytest.mark.parametrize("expected", [None, "application/vnd+zarr"])
def test_content_type_of_directory_is_an_error(actual: str, expected: str | None) -> None:
    with pytest.raises(ContentError, match="is a directory, not a file"):
        check_content_type(actual, expected, True, HREF)
    with collect_notices():
        check_content_type(actual, expected, False, HREF)


@given(st.text(), st.text())
def test_any_types_either_match_or_contradict(actual: str, expected: str) -> None:
    logging.disable()
    try:
        check_content_type(actual, expected, True, HREF)
    except (ContentTypeError, ContentError):
        pass
    finally:
        logging.disable(logging.NOTSET)
