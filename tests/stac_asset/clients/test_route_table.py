"""Built-in clients by scheme and host of a URL."""

from __future__ import annotations

import pytest
from yarl import URL

from stac_asset.clients.registry import get_client_classes
from stac_asset.clients.route_table import route
from stac_asset.hrefs import parse_href

BLOBS = "account.blob.core.windows.net"


@pytest.mark.parametrize(
    ("href", "client"),
    [
        ("/data/a.tif", "filesystem"),
        ("a.tif", "filesystem"),
        ("file:///data/a.tif", "filesystem"),
        ("s3://bucket/a.tif", "s3"),
        ("S3://bucket/a.tif", "s3"),
        ("gs://bucket/a.tif", "gcs"),
        ("az://container/a.tif", "azure"),
        ("abfs://container@account.dfs.core.windows.net/a.tif", "azure"),
        ("abfss://container/a.tif", "azure"),
        ("http://example.com/a.tif", "http"),
        ("https://example.com/a.tif", "http"),
        ("HTTPS://EXAMPLE.COM/a.tif", "http"),
        ("http://127.0.0.1:8000/a.tif", "http"),
        (f"https://{BLOBS}/container/a.tif", "planetary-computer"),
        (f"http://{BLOBS}/container/a.tif", "planetary-computer"),
        (f"https://{BLOBS.upper()}/container/a.tif", "planetary-computer"),
        (f"https://{BLOBS}./container/a.tif", "planetary-computer"),
        ("https://earthdata.nasa.gov/a.tif", "earthdata"),
        ("https://earthdatacloud.nasa.gov/a.tif", "earthdata"),
        ("https://urs.earthdata.nasa.gov/a.tif", "earthdata"),
        ("https://data.lpdaac.earthdatacloud.nasa.gov/a.tif", "earthdata"),
        ("https://data.lpdaac.EarthdataCloud.NASA.gov./a.tif", "earthdata"),
    ],
)
def test_client_is_selected_by_scheme_and_host(href: str, client: str) -> None:
    assert route(parse_href(href)) == client


@pytest.mark.parametrize(
    "href",
    [
        f"https://{BLOBS}.evil.example/a.tif",
        "https://accountblob.core.windows.net/a.tif",
        "https://account.evilblob.core.windows.net/a.tif",
        "https://account.x.blob.core.windows.net/a.tif",
        "https://blob.core.windows.net/a.tif",
        f"https://evil.example/{BLOBS}/a.tif",
        f"https://evil.example/a.tif?{BLOBS}",
        f"https://evil.example/a.tif#{BLOBS}",
        f"https://{BLOBS}@evil.example/a.tif",
        "https://earthdata.nasa.gov.evil.example/a.tif",
        "https://evilearthdata.nasa.gov/a.tif",
        "https://evil-earthdata.nasa.gov/a.tif",
        "https://earthdata-nasa.gov/a.tif",
        "https://earthdataxnasa.gov/a.tif",
        "https://nasa.gov/a.tif",
        "https://earthdata.nasa.gov@evil.example/a.tif",
        "https://evil.example/data.earthdata.nasa.gov/a.tif",
        "https://evil.example/?data.earthdata.nasa.gov",
        "https://evil.example/s3://bucket/a.tif",
    ],
)
def test_substring_of_provider_host_does_not_select_provider(href: str) -> None:
    assert route(parse_href(href)) == "http"


def test_earthdata_without_tls_is_plain_http() -> None:
    assert route(URL("http://data.earthdata.nasa.gov/a.tif")) == "http"


@pytest.mark.parametrize(
    "scheme", ["ftp", "gsx", "xaz", "abfsx", "s3a", "xs3", "httpsx", "xhttp", "files"]
)
def test_unknown_scheme_selects_no_client(scheme: str) -> None:
    assert route(URL(f"{scheme}://{BLOBS}/a.tif")) is None


@pytest.mark.parametrize(
    "href",
    [
        "/data/a.tif",
        "s3://bucket/a.tif",
        "https://example.com/a.tif",
        f"https://{BLOBS}/container/a.tif",
        "https://data.earthdata.nasa.gov/a.tif",
    ],
)
def test_selected_client_is_a_built_in_client(href: str) -> None:
    assert route(parse_href(href)) in {client.name for client in get_client_classes()}
