"""Certificates of the environment, as used by all clients, token requests and searches."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest
import trustme

from stac_asset.clients.network import CertificateSources, EnvironmentConnector, Proxies
from stac_asset.errors import ConfigError, StacAssetError
from tests.stac_asset.clients.network.conftest import HOST, READS, TlsServer
from tests.support.forward_proxy import ForwardProxy

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture
def server_url(tls_server: TlsServer, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a server with a certificate of a private CA."""
    proxy.ports = {443: tls_server.port}
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    return f"https://{HOST}"


def write_bundle(authority: trustme.CA, folder: Path) -> Path:
    """Write the certificate of a CA, with the file name that OpenSSL expects in directories."""
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    command = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(bundle)]
    digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (folder / f"{digest}.0").symlink_to(bundle.name)
    return bundle


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("variable", VARIABLES)
async def test_certificates_of_each_variable_are_trusted(
    name: str,
    variable: str,
    server_url: str,
    certificate_authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = write_bundle(certificate_authority, tmp_path)
    missing = tmp_path / "missing"
    value = f"{missing}:{tmp_path}" if variable == "SSL_CERT_DIR" else str(bundle)
    monkeypatch.setenv(variable, value)
    await READS[name](server_url)


@pytest.mark.parametrize("name", READS)
async def test_unknown_authority_is_refused(
    name: str,
    server_url: str,
    tls_server: TlsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(write_bundle(trustme.CA(), tmp_path)))
    with pytest.raises(StacAssetError, match=r"(?i)certificate"):
        await READS[name](server_url)
    assert tls_server.heads == []


async def test_directory_in_a_bundle_variable_is_trusted(
    server_url: str,
    certificate_authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_bundle(certificate_authority, tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    await READS["http"](server_url)


async def test_s3_also_trusts_the_bundle_of_aws(
    server_url: str,
    certificate_authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(write_bundle(certificate_authority, tmp_path)))
    await READS["s3"](server_url)


@pytest.mark.parametrize("name", READS)
async def test_unusable_file_is_an_error_that_names_the_variable(
    name: str, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", __file__)
    with pytest.raises(StacAssetError, match=r"`CURL_CA_BUNDLE`.* contains no certificates"):
        await READS[name](server_url)


@pytest.mark.parametrize("variable", VARIABLES)
def test_missing_file_of_each_variable_is_an_error(variable: str) -> None:
    sources = CertificateSources.from_environment({variable: "/missing/ca.pem"})
    with pytest.raises(ConfigError, match=f"`{variable}` cannot be loaded from '/missing/ca.pem'"):
        sources.context()


@pytest.mark.parametrize("name", READS)
async def test_unusable_file_does_not_prevent_requests_without_tls(
    name: str, server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing/ca.pem")
    await READS[name](f"http://127.0.0.1:{server.port}")


class CountedSources(CertificateSources):
    """Sources that count the calls of `context`."""

    loaded = 0

    def context(self) -> ssl.SSLContext:
        type(self).loaded += 1
        return super().context()


async def test_certificates_are_loaded_with_the_first_tls_connection(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountedSources, "loaded", 0)
    connector = EnvironmentConnector(Proxies({}), CountedSources())
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(f"http://127.0.0.1:{server.port}"):
            assert CountedSources.loaded == 0
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"https://127.0.0.1:{server.port}")
        assert CountedSources.loaded == 1


def test_changed_file_is_loaded_again(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    sources = CertificateSources.from_environment({"REQUESTS_CA_BUNDLE": str(bundle)})
    with pytest.raises(ConfigError, match="No such file"):
        sources.context()
    trustme.CA().cert_pem.write_to_path(str(bundle))
    first = sources.context()
    assert sources.context() is first
    bundle.write_bytes(bundle.read_bytes() + trustme.CA().cert_pem.bytes())
    assert len(sources.context().get_ca_certs()) == len(first.get_ca_certs()) + 1
