"""Documented and configured numbers of connections to hosts."""

from __future__ import annotations

import pytest
from yarl import URL

from stac_asset import Config, S3Client
from stac_asset.errors import ConfigError
from stac_asset.transfer.known_hosts import endpoint_of, max_connections
from stac_asset.types import Storage

EODATA = "https://eodata.dataspace.copernicus.eu"


@pytest.mark.parametrize(
    ("config", "host", "maximum"),
    [
        (Config(), "example.com", 32),
        (Config(), "download.dataspace.copernicus.eu", 4),
        (Config(), "Zipper.Dataspace.Copernicus.EU.", 4),
        (Config(), "dataspace.copernicus.eu.example.com", 32),
        (Config(max_connections_per_host=2), "download.dataspace.copernicus.eu", 2),
        (Config(max_connections_per_host=64), "download.dataspace.copernicus.eu", 4),
        (Config(host_connections={"dataspace.copernicus.eu": 8}), "dataspace.copernicus.eu", 8),
        (
            Config(host_connections={"dataspace.copernicus.eu": 8}),
            "zipper.dataspace.copernicus.eu",
            8,
        ),
        (Config(host_connections={"example.com": 3}), "example.com", 3),
        (Config(host_connections={"example.com": 99}), "example.com", 99),
        (Config(host_connections={"example.com": 3}), "other.example.com", 32),
    ],
)
def test_maximum_number_of_connections(config: Config, host: str, maximum: int) -> None:
    assert max_connections(config, host) == maximum


def test_bucket_has_the_limit_of_its_service() -> None:
    config, url = Config(), URL("s3://eodata/a.tif")
    declared = endpoint_of(url, Storage(endpoint=EODATA), None)
    configured = endpoint_of(url, None, S3Client(endpoint_url=EODATA))
    assert declared == configured == "eodata.dataspace.copernicus.eu"
    assert max_connections(config, "eodata", declared) == 4
    assert max_connections(config, "eodata", endpoint_of(url, None, S3Client())) == 32


@pytest.mark.parametrize("endpoint", ["https://[", "no url", ""])
def test_invalid_endpoint_has_no_limit_of_its_own(endpoint: str) -> None:
    assert endpoint_of(URL("s3://b/k"), Storage(endpoint=endpoint), None) is None


def test_endpoint_applies_to_s3_only() -> None:
    url = URL("https://example.com/a.tif")
    assert endpoint_of(url, Storage(endpoint=EODATA), None) is None


def test_zero_connections_to_a_host_are_invalid() -> None:
    with pytest.raises(ConfigError, match="`host_connections` must be at least 1 for host 'a'"):
        Config(host_connections={"a": 0}).validate()
