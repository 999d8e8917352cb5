"""Proxies of the environment, as used by all clients, token requests and searches."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import trustme
from yarl import URL

from stac_asset.clients.network import Proxies
from stac_asset.clients.s3 import S3Identity
from stac_asset.errors import ConfigError, StacAssetError
from tests.stac_asset.clients.network.conftest import HOST, READS, TlsServer
from tests.support.forward_proxy import ForwardProxy
from tests.support.s3_buckets import KEY, SECRET, fetch_object, s3_client

USER, PASSWORD = "us3r", "pä55:wörd/@#"
LOGIN = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def proxy_host(url: str, **variables: str) -> str | None:
    """Return the host of the proxy for a URL."""
    proxy = Proxies.from_environment(variables).proxy_of(URL(url))
    return proxy.url.host if proxy else None


@pytest.mark.parametrize("name", READS)
async def test_https_request_uses_tunnel_with_login(
    name: str,
    tls_server: TlsServer,
    proxy: ForwardProxy,
    certificate_authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(bundle))
    proxy.authorization, proxy.ports = LOGIN, {443: tls_server.port}
    monkeypatch.setenv("HTTPS_PROXY", proxy.with_login(USER, PASSWORD))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    await READS[name](f"https://{HOST}")
    assert all(head.startswith(f"CONNECT {HOST}:443 ") for head in proxy.heads)
    assert tls_server.heads
    assert "proxy-authorization" not in str(tls_server.heads).lower()


@pytest.mark.parametrize("name", READS)
async def test_http_request_sends_login_to_proxy_only(
    name: str, server: TlsServer, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.authorization, proxy.ports = LOGIN, {80: server.port}
    monkeypatch.setenv("all_proxy", proxy.with_login(USER, PASSWORD))
    await READS[name](f"http://{HOST}")
    assert all(f"http://{HOST}/" in head for head in proxy.heads)
    assert server.heads
    assert "proxy-authorization" not in str(server.heads).lower()


@pytest.mark.parametrize("name", READS)
async def test_excluded_host_is_requested_directly(
    name: str, server: TlsServer, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.0/8")
    await READS[name](f"http://127.0.0.1:{server.port}")
    assert proxy.heads == []
    assert server.heads


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("problem", ["login", "closed", "socks", "invalid"])
async def test_unusable_proxy_is_an_error_that_names_the_variable(
    name: str,
    scheme: str,
    problem: str,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.authorization = "Basic other"
    values = {
        "login": proxy.with_login(USER, "s3cr3t"),
        "closed": "http://us3r:s3cr3t@127.0.0.1:1",
        "socks": "socks5://us3r:s3cr3t@127.0.0.1:1",
        "invalid": "http://us3r:s3cr3t/x@127.0.0.1:1",
    }
    variable = f"{scheme.upper()}_PROXY"
    monkeypatch.setenv(variable, values[problem])
    with pytest.raises(StacAssetError) as raised:
        await READS[name](f"{scheme}://{HOST}")
    text = str(raised.value)
    assert variable in text or (problem == "login" and "407" in text)
    assert "s3cr3t" not in text + caplog.text
    assert len(proxy.heads) <= 1


async def test_proxy_that_repeats_its_password_is_not_quoted(
    proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.status, proxy.reason = 407, "No user us3r with s3cr3t"
    monkeypatch.setenv("HTTP_PROXY", proxy.with_login("us3r", "s3cr3t"))
    with pytest.raises(StacAssetError, match="407 Proxy Authentication Required") as raised:
        await READS["http"](f"http://{HOST}")
    assert "s3cr3t" not in str(raised.value)


async def test_request_for_role_credentials_uses_proxy(
    server: TlsServer, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.ports = {80: server.port}
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    role = "arn:aws:iam::123456789012:role/reader"
    identity = S3Identity(KEY, SECRET, role_arn=role, sts_endpoint_url=f"http://{HOST}")
    async with s3_client(f"http://127.0.0.1:{server.port}", identity=identity) as client:
        # The response contains no credentials, so the object is requested without a signature.
        await fetch_object(client)
    assert proxy.heads[0].startswith(f"POST http://{HOST}/ ")


def test_variable_of_scheme_has_precedence_over_all_proxy() -> None:
    variables = {"HTTPS_PROXY": "http://one:1", "ALL_PROXY": "http://two:2"}
    assert proxy_host("https://example.com", **variables) == "one"
    assert proxy_host("http://example.com", **variables) == "two"


def test_lower_case_has_precedence() -> None:
    assert proxy_host("http://a.com", http_proxy="one:1", HTTP_PROXY="http://two:2") == "one"
    assert proxy_host("http://a.com", http_proxy="", HTTP_PROXY="http://two:2") is None


def test_variable_that_a_cgi_request_can_set_is_ignored() -> None:
    assert proxy_host("http://a.com", HTTP_PROXY="evil:1", REQUEST_METHOD="GET") is None
    assert proxy_host("http://a.com", http_proxy="one:1", REQUEST_METHOD="GET") == "one"


@pytest.mark.parametrize(
    ("entry", "excluded", "included"),
    [
        ("*", ["http://a.com", "http://10.0.0.1", "http://[::1]"], []),
        ("a.com", ["http://a.com", "https://A.com.", "http://x.a.com:81"], ["http://ba.com"]),
        (".a.com", ["http://a.com", "http://x.a.com"], ["http://xa.com"]),
        ("*.a.com", ["http://x.y.a.com"], ["http://xa.com"]),
        ("a.com:8080", ["http://a.com:8080"], ["http://a.com", "http://a.com:8081"]),
        ("10.0.0.0/8", ["http://10.1.2.3:9"], ["http://11.0.0.1", "http://a.com"]),
        ("10.0.0.1", ["http://10.0.0.1"], ["http://10.0.0.11"]),
        ("10.0.0.1:81", ["http://10.0.0.1:81"], ["http://10.0.0.1"]),
        ("192.168.*", ["http://192.168.3.4"], ["http://192.169.0.1"]),
        ("fd00::/8", ["http://[fd00::1]"], ["http://[fe80::1]"]),
        ("::1", ["http://[::1]:81"], ["http://[::2]"]),
        ("[::1]:81", ["http://[::1]:81"], ["http://[::1]"]),
        ("b.com, a.com  c.com", ["http://a.com", "http://c.com"], ["http://d.com"]),
        ("https://a.com/", ["https://a.com"], ["https://b.com"]),
        ("bücher.de", ["http://bücher.de", "http://xn--bcher-kva.de"], ["http://bucher.de"]),
        (", .,", [], ["http://a.com"]),
    ],
)
def test_hosts_that_no_proxy_excludes(entry: str, excluded: list[str], included: list[str]) -> None:
    for spelling in ("NO_PROXY", "no_proxy"):
        variables = {"ALL_PROXY": "http://proxy:1", spelling: entry}
        assert [proxy_host(url, **variables) for url in excluded] == [None] * len(excluded)
        assert [proxy_host(url, **variables) for url in included] == ["proxy"] * len(included)


def test_login_is_not_part_of_repr() -> None:
    variables = {"HTTP_PROXY": "http://user:s3cr3t@proxy:1"}
    proxies = Proxies.from_environment(variables)
    proxy = proxies.proxy_of(URL("http://a.com"))
    assert "s3cr3t" not in f"{proxies!r} {proxy!r}"


@pytest.mark.parametrize("value", ["https://", "http://a b", "ftp://proxy:1", "http://p:1/#x"])
def test_invalid_proxy_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(ConfigError, match="`HTTP_PROXY` is not the URL") as raised:
        proxy_host("http://a.com", HTTP_PROXY=value)
    assert value not in str(raised.value)
