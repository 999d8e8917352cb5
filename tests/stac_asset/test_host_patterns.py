"""Host patterns: accepted texts, and the URLs that a pattern matches."""

from __future__ import annotations

import pytest
from yarl import URL

from stac_asset.errors import ConfigError
from stac_asset.host_patterns import HostPattern, HostPatterns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", HostPattern("https", "example.com", False, 443)),
        ("*.example.com", HostPattern("https", "example.com", True, 443)),
        ("example.com:8443", HostPattern("https", "example.com", False, 8443)),
        ("https://example.com", HostPattern("https", "example.com", False, 443)),
        ("http://example.com", HostPattern("http", "example.com", False, 80)),
        ("http://*.example.com:8080", HostPattern("http", "example.com", True, 8080)),
        ("HTTP://Example.COM", HostPattern("http", "example.com", False, 80)),
        ("localhost", HostPattern("https", "localhost", False, 443)),
        ("http://127.0.0.1:9000", HostPattern("http", "127.0.0.1", False, 9000)),
        ("http://[::1]:9000", HostPattern("http", "::1", False, 9000)),
        ("my_host-1.example.com", HostPattern("https", "my_host-1.example.com", False, 443)),
    ],
)
def test_text_is_parsed(text: str, expected: HostPattern) -> None:
    assert HostPattern.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "*.*.example.com",
        "*example.com",
        "a*.example.com",
        "example.*",
        "example.com/path",
        "https://example.com/",
        "https://example.com?x=1",
        "user@example.com",
        "ftp://example.com",
        "://example.com",
        "example.com:",
        "example.com:port",
        "example.com:123456",
        "example..com",
        ".example.com",
        "example.com.",
        "a b",
        " example.com",
        "example.com\n",
        "[x]",
        "größe.example",
    ],
)
def test_invalid_text_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a host pattern\. Use example\.com"):
        HostPattern.parse(text)
    with pytest.raises(ConfigError, match="is not a host pattern"):
        HostPatterns(["example.com", text])


def test_single_string_is_not_a_list_of_hosts() -> None:
    with pytest.raises(ConfigError, match=r"must be a list, .* Write \['localhost'\]"):
        HostPatterns("localhost")


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("example.com", "https://example.com/a.tif"),
        ("example.com", "https://EXAMPLE.com/a.tif"),
        ("EXAMPLE.com", "https://example.com/a.tif"),
        ("example.com", "https://example.com:443/a.tif"),
        ("example.com", "https://example.com./a.tif"),
        ("example.com:443", "https://example.com/a.tif"),
        ("http://example.com", "http://example.com:80/a.tif"),
        ("http://[::1]:9000", "http://[::1]:9000/a.tif"),
    ],
)
def test_pattern_matches_url_with_same_origin(pattern: str, url: str) -> None:
    assert URL(url) in HostPatterns([pattern])
    assert HostPattern.parse(pattern).match(URL(url)) == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.tif",
        "s3://example.com/a.tif",
        "https://example.com:8443/a.tif",
        "https://www.example.com/a.tif",
        "https://evilexample.com/a.tif",
        "https://example.com.evil.example/a.tif",
        "https://example.community/a.tif",
        "https://examplexcom/a.tif",
        "https://evil.example/example.com",
        "https://evil.example/?example.com",
        "https://example.com@evil.example/a.tif",
        "example.com/a.tif",
        "/example.com",
    ],
)
def test_pattern_does_not_match_other_origin(url: str) -> None:
    assert URL(url) not in HostPatterns(["example.com"])
    assert HostPattern.parse("example.com").match(URL(url)) is None


@pytest.mark.parametrize(
    ("url", "matched"),
    [
        ("https://a.example.com/x", "a"),
        ("https://a.b.example.com/x", "a.b"),
        ("https://A.Example.com./x", "a"),
        ("https://example.com/x", None),
        ("https://evilexample.com/x", None),
        ("https://a.evilexample.com/x", None),
        ("https://a.example.com.evil.example/x", None),
        ("https://a.examplexcom/x", None),
        ("https://a.example.com:8443/x", None),
        ("http://a.example.com/x", None),
        ("https://evil.example/a.example.com", None),
    ],
)
def test_wildcard_matches_subdomains_only(url: str, matched: str | None) -> None:
    assert HostPattern.parse("*.example.com").match(URL(url)) == matched
    assert (URL(url) in HostPatterns(["*.example.com"])) is (matched is not None)


def test_set_matches_urls_of_each_pattern() -> None:
    patterns = HostPatterns(["example.com", "http://*.example.org:8080"])
    assert URL("https://example.com/a") in patterns
    assert URL("http://a.example.org:8080/a") in patterns
    assert URL("http://example.com/a") not in patterns
    assert URL("https://a.example.org/a") not in patterns


def test_empty_set_matches_no_url() -> None:
    assert URL("https://example.com/a") not in HostPatterns([])
