"""Redirect targets that are not valid URLs, or are relative."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from yarl import URL

from stac_asset import Config, download_file
from stac_asset.clients.http.headers import redirect_target
from stac_asset.errors import ResponseError
from tests.support.raw_origin import RawRequest, raw_origin, response_head

LOCATIONS = [
    (b"/data/b c.tif", "/data/b%20c.tif"),
    ("/data/é.tif".encode(), "/data/%C3%A9.tif"),
    (b"/data/m\xe9.tif", "/data/m%E9.tif"),
    (b"other.tif", "/go/other.tif"),
    (b"../up.tif", "/up.tif"),
    (b"?token=a b", "/go/a.tif?token=a%20b"),
    (b"/data/a%20b.tif#part", "/data/a%20b.tif"),
    (b"/data/a%2Fb.tif?x=1|2", "/data/a%2Fb.tif?x=1%7C2"),
]


@pytest.mark.parametrize(("location", "target"), LOCATIONS)
async def test_redirect_leads_to_the_file_that_the_server_names(
    tmp_path: Path, location: bytes, target: str
) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if request.target == "/go/a.tif":
            head = response_head(302, 0).removesuffix(b"\r\n")
            writer.write(head + b"Location: " + location + b"\r\n\r\n")
        elif request.target == target:
            writer.write(response_head(200, 5) + b"right")
        else:
            writer.write(response_head(200, 5) + b"other")

    async with raw_origin(respond) as origin:
        await download_file(f"{origin.url}/go/a.tif", tmp_path / "a.tif", Config())
    assert (tmp_path / "a.tif").read_bytes() == b"right"
    assert [request.target for request in origin.requests] == ["/go/a.tif", target]


@pytest.mark.parametrize("location", [b"", b"  "])
async def test_redirect_without_target_is_an_error(tmp_path: Path, location: bytes) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        head = response_head(302, 0).removesuffix(b"\r\n")
        writer.write(head + b"Location: " + location + b"\r\n\r\n")

    async with raw_origin(respond) as origin:
        with pytest.raises(ResponseError, match="302"):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", Config())
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("//other.example/a b.tif", "https://other.example/a%20b.tif"),
        (" https://other.example/a.tif ", "https://other.example/a.tif"),
        ("a\\b.tif", "https://example.com/x/a%5Cb.tif"),
    ],
)
def test_target_of_redirect(location: str, target: str) -> None:
    assert str(redirect_target(URL("https://example.com/x/y.tif"), location)) == target
