"""The files of an origin: content, size, type and encoded paths."""

from __future__ import annotations

import pytest

from stac_asset.testing import Origin, content, default_size
from tests.support.http_requests import send_request


def test_unknown_path_has_generated_content(origin: Origin) -> None:
    reply = send_request(origin.href("/a/B04.tif"))
    assert reply.status == 200
    assert reply.body == content("/a/B04.tif", default_size("/a/B04.tif"))
    assert reply.body == origin.content("/a/B04.tif")
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.headers["Accept-Ranges"] == "bytes"


def test_put_accepts_data_or_size(origin: Origin) -> None:
    assert (
        send_request(origin.put("/item.json", b"{}")).body == b"{}" == origin.content("/item.json")
    )
    assert send_request(origin.put("big", size=300_000)).body == content("/big", 300_000)
    assert send_request(origin.put("/c")).body == content("/c", default_size("/c"))
    assert send_request(origin.put("/empty", b"")).body == b""
    with pytest.raises(ValueError, match="exclude each other"):
        origin.put("/d", b"", size=1)
    with pytest.raises(ValueError, match="at least 0"):
        origin.put("/d", size=-1)


def test_second_put_changes_validators(origin: Origin) -> None:
    first = send_request(origin.put("/a", b"one"))
    second = send_request(origin.put("/a", b"two"))
    assert (first.body, second.body) == (b"one", b"two")
    for header in ("ETag", "Last-Modified"):
        assert first.headers[header] != second.headers[header]


def test_size_of_query_is_used_and_query_is_recorded(origin: Origin) -> None:
    href = origin.href("/a?size=1234&sig=x")
    assert href == f"{origin.url}/a?size=1234&sig=x"
    assert send_request(href).body == content("/a", 1234) == origin.content("/a?size=1234")
    assert origin.gets("/a")[0].query == "size=1234&sig=x"
    origin.put("/a", b"explicit wins")
    assert send_request(href).body == b"explicit wins"
    assert len(send_request(origin.href("/b?size=x")).body) == default_size("/b")


def test_strict_origin_serves_only_put_files() -> None:
    with Origin(strict=True) as origin:
        assert send_request(origin.put("/a")).status == 200
        assert send_request(origin.href("/b?size=3")).status == 404
        with pytest.raises(FileNotFoundError):
            origin.content("/b")


def test_removed_file_is_not_found(origin: Origin) -> None:
    href = origin.href("/a")
    origin.remove("/a")
    assert send_request(href).status == 404
    origin.put("/a", b"back")
    assert send_request(href).body == b"back"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a.tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
        ("/a.TIFF", "image/tiff; application=geotiff; profile=cloud-optimized"),
        ("/a.jp2", "image/jp2"),
        ("/a.json", "application/json"),
        ("/a.jpg", "image/jpeg"),
        ("/a.png", "image/png"),
        ("/a.xml", "application/xml"),
        ("/a.txt", "text/plain"),
        ("/tif", "application/octet-stream"),
    ],
)
def test_content_type_depends_on_suffix(origin: Origin, path: str, expected: str) -> None:
    assert send_request(origin.href(path)).headers["Content-Type"] == expected


def test_explicit_content_type_is_sent(origin: Origin) -> None:
    href = origin.put("/a.tif", size=1, content_type="application/x-mine")
    assert send_request(href).headers["Content-Type"] == "application/x-mine"


@pytest.mark.parametrize("path", ["/a b.tif", "/ü/#1.tif", "/50%.tif", "/what?.tif", "/a+b&c"])
def test_encoded_paths_are_decoded(origin: Origin, path: str) -> None:
    href = origin.put(path, path.encode())
    assert href == origin.href(path)
    assert not set(href) & set(" #ü?")
    assert send_request(href).body == path.encode()
    assert origin.gets(path)[0].path == path
