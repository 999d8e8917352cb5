"""Hrefs: parsing, resolution and conversion to local paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from stac_asset.clients.route_table import route
from stac_asset.errors import (
    HrefError,
)
from stac_asset.hrefs import (
    absolute_href,
    is_absolute,
    is_local,
    local_path,
    parse_href,
    relative_href,
    valid_href,
)
from tests.support.planning import (
    result_or_none,
)
from tests.support.strategies import (
    bases,
    fuzz,
    hrefs,
    values,
)


@fuzz(500)
@given(href=st.one_of(hrefs, hrefs, values), base=bases)
@example("https://[]@", None)
def test_any_href_parses_or_raises_href_error(href: Any, base: str | None) -> None:
    found = result_or_none(lambda: absolute_href(href, base), HrefError)
    result_or_none(lambda: parse_href(href), HrefError)
    if found is not None:
        url = result_or_none(lambda: parse_href(found), HrefError)
        if url is not None and not is_local(found):
            assert route(url) != "filesystem"
            sendable = all(32 < ord(c) < 127 for c in url.raw_path_qs)
            assert sendable or url.scheme not in ("http", "https"), "unsendable character"


@fuzz(300)
@given(path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_local_path_round_trips(path: str) -> None:
    path = os.path.normpath(f"/{path}")
    assert str(local_path(path)) == str(Path(path))
    assert str(local_path(Path(path).as_uri())) == str(Path(path))
    assert parse_href(path).path == str(Path(path))
    assert parse_href(Path(path).as_uri()).path == str(Path(path))


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("https://host/a b.tif", "https://host/a%20b.tif"),
        ("https://host/a.tif?sig=a%2Fb+c", "https://host/a.tif?sig=a%2Fb+c"),
        ("https://host/a b.tif?sig=%2F", "https://host/a%20b.tif?sig=%2F"),
        ("s3://bucket/a#b?c%20d.tif", "s3://bucket/a%23b%3Fc%2520d.tif"),
        ("S3://bucket/key", "s3://bucket/key"),
    ],
)
def test_url_is_encoded_without_change_to_signatures(href: str, url: str) -> None:
    assert str(parse_href(href)) == url


def test_url_of_local_path_has_no_scheme() -> None:
    url = parse_href("/data/a #1?%20.tif")
    assert (url.scheme, url.host, url.path) == ("", None, "/data/a #1?%20.tif")


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        (None, "href is missing"),
        (5, "href is not a string"),
        (["https://host/a"], "href is not a string"),
        ("", "href is empty"),
        (" \n", "href is empty"),
        ("https://host/\ud800", "lone surrogate"),
        ("https:///a.tif", "the host is missing"),
        ("s3:///a.tif", "the host is missing"),
        ("https://host:99999/a.tif", "is not a valid URL"),
        ("file://host/a.tif", "refers to a file on another host"),
        ("/data/\0.tif", "contains a NUL character"),
    ],
)
def test_invalid_href_raises_error_with_reason(href: object, reason: str) -> None:
    with pytest.raises(HrefError, match=reason):
        parse_href(href)


@pytest.mark.parametrize("host", ["host:port", "[host", "host\u2100"])
def test_error_of_invalid_url_omits_password(host: str) -> None:
    with pytest.raises(HrefError, match="is not a valid URL") as raised:
        parse_href(f"https://user:hunter2@{host}/a.tif")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("href", "local", "absolute"),
    [
        ("/data/a.tif", True, True),
        ("./a.tif", True, False),
        ("a:b.tif", True, False),
        ("file:///data/a.tif", True, True),
        ("FILE:/data/a.tif", True, True),
        ("C:/data/a.tif", True, False),
        ("https://host/a.tif", False, True),
        ("s3://bucket/a.tif", False, True),
        ("urn:a", False, True),
    ],
)
def test_scheme_of_two_letters_or_more_makes_url(href: str, local: bool, absolute: bool) -> None:
    assert (is_local(href), is_absolute(href)) == (local, absolute)


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("/data/a%20b.tif", "/data/a%20b.tif"),
        ("file:///data/a%20b.tif", "/data/a b.tif"),
        ("file://localhost/data/a.tif", "/data/a.tif"),
        ("file:/data/a%23.tif", "/data/a#.tif"),
        ("File:///data/a.tif", "/data/a.tif"),
    ],
)
def test_only_file_urls_are_percent_decoded(href: str, path: str) -> None:
    assert local_path(href) == Path(path)


@pytest.mark.parametrize(
    ("href", "base", "absolute"),
    [
        ("https://host/a.tif", None, "https://host/a.tif"),
        ("/data/a.tif", None, "/data/a.tif"),
        ("./a.tif", "https://host/items/item.json", "https://host/items/a.tif"),
        ("../a.tif?x=1", "https://host/items/item.json", "https://host/a.tif?x=1"),
        ("/a.tif", "https://host/items/item.json", "https://host/a.tif"),
        ("//other/a.tif", "https://host/items/item.json", "https://other/a.tif"),
        ("./a.tif", "s3://bucket/items/item.json", "s3://bucket/items/a.tif"),
        ("../a.tif", "/data/items/item.json", "/data/a.tif"),
        ("../a.tif", "file:///data/items/item.json", "/data/a.tif"),
        ("s3://bucket/a.tif", "/data/items/item.json", "s3://bucket/a.tif"),
    ],
)
def test_href_is_resolved_against_base(href: str, base: str | None, absolute: str) -> None:
    assert absolute_href(href, base) == absolute


def test_relative_href_without_base_raises_error() -> None:
    with pytest.raises(HrefError, match=r"cannot resolve relative href './a\.tif\?…'"):
        absolute_href("./a.tif?sig=1", None)


@pytest.mark.parametrize(
    ("path", "href"),
    [("/data/a.tif", "./a.tif"), ("/data/b/a.tif", "./b/a.tif"), ("/a.tif", "../a.tif")],
)
def test_relative_href_starts_with_dot(path: str, href: str) -> None:
    assert relative_href(Path(path), Path("/data/item.json")) == href


@pytest.mark.parametrize(
    ("path", "document", "href"),
    [
        ("/data/b/../a.tif", "/data/item.json", "./a.tif"),
        ("/data//b/./a.tif", "/data/item.json", "./b/a.tif"),
        ("/data/b/.hidden", "/data/item.json", "./b/.hidden"),
        ("/database/a.tif", "/data/item.json", "../database/a.tif"),
        ("/a.tif", "/item.json", "./a.tif"),
        ("/data/b/..", "/data/item.json", "./."),
    ],
)
def test_relative_href_is_normal(path: str, document: str, href: str) -> None:
    assert relative_href(path, Path(document)) == href


@given(st.from_regex(r"https?://[axn09.-]{1,9}(:[0-9]{1,6})?[aA0._~/-]{0,20}", fullmatch=True))
@example("https://xn--a/b")
def test_url_is_parsed_as_yarl_parses_it(href: str) -> None:
    try:
        expected = URL(href)
        parts = expected.host, expected.port, expected.path
    except ValueError:
        with pytest.raises(HrefError):
            parse_href(href)
        return
    found = parse_href(href)
    assert (found, str(found)) == (expected, str(expected))
    assert (found.host, found.port, found.path) == parts


@pytest.mark.parametrize("href", ["http://127.0.0.1:54321/a/B_c.tif", "https://a-b.example/~c.d"])
def test_usual_url_is_absolute(href: str) -> None:
    assert str(parse_href(href)) == absolute_href(href, "https://host/item.json") == href


def test_invalid_characters_of_a_written_url_are_encoded() -> None:
    assert valid_href("https://host/a b/é\ud800.tif") == "https://host/a%20b/%C3%A9%ED%A0%80.tif"
    assert valid_href("s3://bucket/a b") == "s3://bucket/a b"
