"""Recognition of web pages, error messages and listings by their first bytes."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.transfer.content import (
    HEAD_SIZE,
    START_SIZE,
    ContentKind,
    content_of,
    is_suspicious,
    may_be_text,
)

PAGE = "<!DOCTYPE html><html><body>Log in</body></html>"

PAGES = [
    PAGE.encode(),
    PAGE.lower().encode(),
    b"<HTML><HEAD></HEAD></HTML>",
    b"\xef\xbb\xbf" + PAGE.encode(),
    b"\r\n\t \n" * 2000 + PAGE.encode(),
    b"<!-- a comment <b> -->\n<!--[if IE]><![endif]-->" + PAGE.encode(),
    b"<!-- " + b"long " * 10_000 + b"-->" + PAGE.encode(),
    b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html/>',
    b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>',
    b"<html:html xmlns:html='http://www.w3.org/1999/xhtml'/>",
    b"<br />\n<b>Warning</b>: mysql_connect()",
    b"<script>location='/login'</script>",
    PAGE.encode("utf-16"),
    PAGE.encode("utf-16-le"),
    PAGE.encode("utf-16-be"),
    PAGE.encode("utf-32"),
    gzip.compress(PAGE.encode(), mtime=0),
]

LISTINGS = [
    b"<html><title>Index of /store.zarr/</title></html>",
    b"<!DOCTYPE HTML><html><head><title>Directory listing for /a/</title></head></html>",
    b"<html><head></head><body><h1>Index of  /data</h1></body></html>",
    b"<?xml version='1.0'?><ListBucketResult xmlns='x'><Name>b</Name></ListBucketResult>",
    b"\xef\xbb\xbf<?xml version='1.0'?><EnumerationResults/>",
]

XML_ERRORS = [
    b"<?xml version='1.0'?><Error><Code>QuotaExceeded</Code></Error>",
    b"<Error/>",
    b"<ErrorResponse xmlns='x'></ErrorResponse>",
    b"<ows:ExceptionReport xmlns:ows='http://www.opengis.net/ows/1.1'/>",
    b"<!DOCTYPE ServiceExceptionReport SYSTEM 'http://x/y.dtd'><ServiceExceptionReport/>",
    b"<soap:Fault/>",
]

JSON_ERRORS = [
    b'{"error": "not authorized"}',
    b'\n { "message" : "Forbidden" }',
    b'{"detail":"Not found"}\n',
    b'[{"errors": []}]',
    b'{"error": "' + b"x" * HEAD_SIZE,
    b'{"code": 1, "Message": ""}',
    b'{"code": "InvalidParameterValue", "description": "x"}',
    b'{"type": "about:blank", "title": "Forbidden", "status": 403}',
]

OTHERS = [
    b"",
    b"\0" * HEAD_SIZE,
    b"II*\0\x08\0\0\0",
    b"MM\0*",
    b"\x89HDF\r\n\x1a\n",
    b"CDF\x01",
    b"PK\x03\x04",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"%PDF-1.7",
    b"LASF",
    b"PAR1",
    b"GRIB",
    b"some text",
    b"<a \x01\x02",
    b"\0\0\0<p>\x03",
    b"\x00\x3c" * 100,
    b"< 5",
    b"{not json",
    b"[ 1, 2 ]",
    gzip.compress(b"II*\0", mtime=0),
    b"\x1f\x8b damaged",
]


TEXT_ERRORS = [
    b"Access denied",
    b"404 Not Found\n",
    b'"Forbidden"',
    b"null",
    b" 503 ",
    b"Error {\n    code = 404;\n};\n",
    "Token expired: veuillez vous reconnecter à nouveau".encode("latin-1"),
    b"upstream request timeout",
    b"--x\r\nPlease log in\r\n",
]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        *((head, ContentKind.HTML) for head in PAGES),
        *((head, ContentKind.LISTING) for head in LISTINGS),
        *((head, ContentKind.XML_ERROR) for head in XML_ERRORS),
        *((head, ContentKind.JSON_ERROR) for head in JSON_ERRORS),
        (b"<?xml version='1.0'?><gmd:MD_Metadata/>", ContentKind.XML),
        (b"<!-- " + b"long " * 10_000, ContentKind.XML),
        (b'{"type": "FeatureCollection", "features": []}', ContentKind.JSON),
        (b'{"type": "' + b"x" * HEAD_SIZE, ContentKind.JSON),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", ContentKind.POINTER),
        *((head, ContentKind.TEXT_ERROR) for head in TEXT_ERRORS),
        *((head, None) for head in OTHERS),
        (b"pixels of a small raster", None),
        (b"Access denied" + b" " * 2000, None),
        (b"denied\0", None),
    ],
)
def test_kind_of_content_is_recognized(head: bytes, kind: ContentKind | None) -> None:
    head = head[:HEAD_SIZE]
    content = content_of(head)
    if head.startswith(b"<!-- long") and kind is ContentKind.HTML:
        kind = ContentKind.XML  # The page starts after the examined bytes.
    assert (content.kind if content else None) == kind
    assert content is None or is_suspicious(head)
    assert content is None or may_be_text(head[:START_SIZE])


def test_error_code_of_object_store_is_kept() -> None:
    content = content_of(XML_ERRORS[0])
    assert content is not None
    assert content.code == "QuotaExceeded"


@given(
    st.one_of(
        st.binary(max_size=HEAD_SIZE), st.text(alphabet="<>!-?{}[]\"' a:\0\n").map(str.encode)
    )
)
def test_any_bytes_are_examined(head: bytes) -> None:
    if content_of(head) is not None:
        assert is_suspicious(head)
        assert may_be_text(head[:START_SIZE])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32"])
def test_page_after_many_blank_lines_is_recognized(encoding: str) -> None:
    page = ("\r\n\t " * START_SIZE + "<html>").encode(encoding)
    assert may_be_text(page[:START_SIZE])


def test_start_of_binary_data_is_enough() -> None:
    assert not may_be_text(b"II*\0\x08\0\0\0" + b"\0" * 56)
