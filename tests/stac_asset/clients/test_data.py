"""Files inside `data:` hrefs."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset import Config, DownloadError, download_item
from stac_asset.clients.data import DataClient, decode
from stac_asset.errors import HrefError, SchemeError
from stac_asset.hrefs import parse_href
from stac_asset.transfer.interface import Request, Stat


@pytest.mark.parametrize(
    ("href", "media_type", "data"),
    [
        ("data:,a%20b", "text/plain", b"a b"),
        ("data:text/plain;charset=UTF-8,%C3%A9?x#y", "text/plain", "é?x#y".encode()),
        ("data:text/plain;charset=iso-8859-1,%E9", "text/plain", b"\xe9"),
        ("data:image/png;base64,AAEC/w==", "image/png", b"\0\1\2\xff"),
        ("data:image/png;base64,AAEC_w", "image/png", b"\0\1\2\xff"),
        ("data:image/png;base64,AAEC%2Fw%3D%3D", "image/png", b"\0\1\2\xff"),
        ("data:image/png;base64,AAE\n C/w==", "image/png", b"\0\1\2\xff"),
        ("DATA:image/png;name=a;BASE64,AAEC/w==", "image/png", b"\0\1\2\xff"),
        ("data:;base64,", "text/plain", b""),
        ('data:application/json,{"a":[1,2]}', "application/json", b'{"a":[1,2]}'),
    ],
)
async def test_data_is_decoded(href: str, media_type: str, data: bytes) -> None:
    assert decode(parse_href(href)) == (media_type, data)
    client = DataClient()
    assert await client.stat(Request(parse_href(href))) == Stat(len(data), media_type)
    assert b"".join([chunk async for chunk in client.open_href(href)]) == data


@given(st.binary())
def test_any_bytes_are_decoded(data: bytes) -> None:
    for href in (f"data:;base64,{base64.b64encode(data).decode()}", f"data:,{quote(data)}"):
        assert decode(parse_href(href))[1] == data


@pytest.mark.parametrize("href", ["data:image/png;base64", "data:;base64,A", "data:;base64,%%%"])
def test_malformed_data_has_an_error_of_one_sentence(href: str) -> None:
    with pytest.raises(HrefError, match="href 'data:") as raised:
        decode(parse_href(href))
    assert "\n" not in str(raised.value)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(SchemeError):
        decode(parse_href("https://example.com/a,b"))


@pytest.mark.parametrize(
    ("key", "media_type", "name"),
    [
        ("thumbnail", "image/png", "thumbnail.png"),
        ("thumbnail.png", "image/png", "thumbnail.png"),
        ("a/b", "application/json", "a%2Fb.json"),
        ("odd", "application/x-unknown-type", "odd"),
    ],
)
async def test_file_is_named_by_key_and_media_type(
    tmp_path: Path, key: str, media_type: str, name: str
) -> None:
    item = pystac.Item("i", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    item.add_asset(key, pystac.Asset(f"data:{media_type};base64,AAEC"))
    new = await download_item(item, tmp_path, config=Config(check_content=False))
    assert (tmp_path / name).read_bytes() == b"\0\1\2"
    assert list(new.assets) == [key]


async def test_error_does_not_quote_the_data(tmp_path: Path) -> None:
    item = pystac.Item("i", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    item.add_asset("big", pystac.Asset("data:image/png;base64," + "ABCDE!" * 500_000))
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path)
    assert len(str(raised.value)) < 300
    assert "href 'data:image/png;base64,…' is not valid base64" in str(raised.value)
