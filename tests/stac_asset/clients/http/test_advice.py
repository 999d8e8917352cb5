"""Advice in errors of HTTP responses, by status and host."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from stac_asset.clients.http.advice import signature_end, status_advice
from stac_asset.redact import redact_text
from tests.support.strategies import fuzz, texts

FILE = "https://example.com/a.tif"
BLOB = "https://account.blob.core.windows.net/container/a.tif"
COPERNICUS = "https://download.dataspace.copernicus.eu/odata/v1/Products(1)/$value"
LANDSAT = "https://landsatlook.usgs.gov/data/a.tif"
SENTINEL = "https://sentinel-s2.s3.eu-central-1.amazonaws.com/a.jp2"
SAS = "?se={}&sp=r&sig=s3cr3t"


def advice(
    status: int, href: str, answered: str | None = None, headers: dict[str, str] | None = None
) -> str:
    return status_advice(status, URL(href), URL(answered or href), headers or {})


@pytest.mark.parametrize(
    ("status", "href", "text"),
    [
        (204, FILE, "no bytes to send"),
        (401, FILE, "configure a credential for example.com, or renew it"),
        (401, FILE, "`oauth2_grant` or `http_headers`"),
        (403, FILE, "configure a credential for example.com, or check that the account may"),
        (403, "http://127.0.0.1:8000/a.tif", "configure a credential for http://127.0.0.1:8000"),
        (403, "https://example.com/folder/", "may be that of a directory"),
        (404, "https://example.com/folder/", "may be that of a directory"),
        (429, FILE, "Lower `max_connections_per_host`"),
        (401, COPERNICUS, "Configure `oauth2_grant` with the token endpoint"),
        (403, COPERNICUS, "Check the account and its quota"),
        (429, COPERNICUS, "monthly transfer of the Copernicus account are used up"),
        (401, LANDSAT, "`alternate_assets=['s3']` and `s3_requester_pays=True`"),
        (403, LANDSAT, "`alternate_assets=['s3']` and `s3_requester_pays=True`"),
        (403, SENTINEL, "Use an s3:// href"),
        (301, SENTINEL, "in another region. Correct the host of the href"),
    ],
)
def test_advice_for_status_of_host(status: int, href: str, text: str) -> None:
    assert text in advice(status, href)


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_other_statuses_have_no_advice(status: int) -> None:
    assert advice(status, FILE) == ""


@pytest.mark.parametrize(
    "host", ["usgs.gov.example.com", "notusgs.gov", "dataspace.copernicus.eu.x"]
)
def test_other_hosts_get_no_advice_of_a_provider(host: str) -> None:
    for status in (401, 403, 429):
        text = advice(status, f"https://{host}/a.tif")
        assert "Copernicus" not in text
        assert "USGS" not in text


def test_redirected_refusal_names_both_hosts() -> None:
    text = advice(403, FILE, "https://storage.example.org/a.tif")
    assert text.startswith("the server redirected to storage.example.org, which refused; ")
    assert "configure a credential for example.com" in text


def test_region_of_the_bucket_is_named() -> None:
    text = advice(301, SENTINEL, None, {"x-amz-bucket-region": "us-west-2"})
    assert "in another region us-west-2" in text
    assert "<b>" not in advice(301, SENTINEL, None, {"x-amz-bucket-region": "<b>us-west-2"})


@pytest.mark.parametrize("status", [401, 403])
def test_expired_signature_is_named_with_its_end(status: int) -> None:
    text = advice(status, BLOB + SAS.format("2020-01-02T03:04:05Z"))
    assert text == (
        "the signature in the href expired on 2020-01-02 at 03:04 UTC. Read the item again for a "
        "new href"
    )


def test_refused_signature_names_the_code_of_azure() -> None:
    text = advice(
        403,
        BLOB + SAS.format("2999-01-01T00:00:00Z"),
        None,
        {"x-ms-error-code": "AuthenticationFailed"},
    )
    assert "was refused, and may have expired (AuthenticationFailed)" in text


def test_signature_of_the_run_is_not_blamed_on_the_href() -> None:
    text = advice(403, BLOB, BLOB + SAS.format("2020-01-01"))
    assert text.startswith("account.blob.core.windows.net refused the signature that the run")


def test_private_container_needs_a_credential() -> None:
    text = advice(409, BLOB, None, {"x-ms-error-code": "PublicAccessNotPermitted"})
    assert text == "the container is not public. Configure an Azure credential"


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ("se=2026-01-02&sig=x", datetime(2026, 1, 2, tzinfo=UTC)),
        ("X-Amz-Date=20260102T030405Z&X-Amz-Expires=60", datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC)),
        ("Signature=x&Expires=0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("se=2026-01-02", None),
        ("X-Amz-Date=20260102T030405Z", None),
        ("Signature=x&Expires=99999999999999999999", None),
        ("", None),
    ],
)
def test_end_of_signature(query: str, end: datetime | None) -> None:
    assert signature_end(URL(f"{FILE}?{query}", encoded=True)) == end


@given(st.integers(200, 599), texts, texts, texts)
@fuzz(200)
def test_advice_repeats_no_value_of_the_server_or_the_query(
    status: int, date: str, code: str, region: str
) -> None:
    href = URL(BLOB).with_query({"se": f"{date}", "sig": "s3cr3t", "X-Amz-Date": date})
    headers = {"x-ms-error-code": f"<{code}", "x-amz-bucket-region": f"<{region}"}
    text = status_advice(status, href, href, headers)
    assert "s3cr3t" not in text
    assert "<" not in text
    assert redact_text(text) == text
