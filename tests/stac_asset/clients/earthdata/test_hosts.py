"""Hosts that receive the Earthdata token, by default and if the user lists them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from yarl import URL

from prefect_stac_asset.blocks import EarthdataCredentials
from stac_asset import Config
from stac_asset.clients import Clients, EarthdataClient, HttpClient
from stac_asset.clients.earthdata import DAAC_HOSTS, HOSTS
from stac_asset.errors import ConfigError
from stac_asset.host_patterns import HostPatterns
from tests.support.paths import ROOT

HREFS = [f"https://{host.replace('*', 'data')}/a.h5" for host in DAAC_HOSTS]
CONFIG = Config(earthdata_token="t0ken")


@pytest.mark.parametrize("href", HREFS)
async def test_daac_host_receives_token_only_if_listed(href: str) -> None:
    async with Clients(CONFIG) as clients:
        assert type(await clients.get_client(href)) is HttpClient
    listed = dataclasses.replace(CONFIG, earthdata_hosts=[URL(href).host or ""])
    async with Clients(listed) as clients:
        client = await clients.get_client(href)
        assert isinstance(client, EarthdataClient)
        assert await client._credentials.headers(URL(href)) == {"Authorization": "Bearer t0ken"}
        assert not await client._credentials.headers(URL(href).with_scheme("http"))
        for other in ("https://example.com/a.h5", href.replace("https", "http")):
            assert type(await clients.get_client(other)) is HttpClient
        data = "https://data.lpdaac.earthdatacloud.nasa.gov/a.h5"
        assert await clients.get_client(data) is client


def test_block_includes_all_known_hosts() -> None:
    hosts = HostPatterns(EarthdataCredentials(token="t0ken").hosts)
    assert all(URL(href) in hosts for href in HREFS)
    assert all(URL(f"https://{host.replace('*', 'a')}/") in hosts for host in HOSTS)
    assert URL("https://example.com/a.h5") not in hosts


def test_invalid_host_is_rejected() -> None:
    with pytest.raises(ConfigError, match="`earthdata_hosts`: 'a b' is not a host pattern"):
        Config(earthdata_hosts=["a b"]).validate()


def test_documentation_lists_all_hosts() -> None:
    text = Path(ROOT, "docs/credentials.md").read_text()
    assert all(f"| `{host}` | {daac} |" in text for host, daac in DAAC_HOSTS.items())
