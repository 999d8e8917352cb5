"""Redirects to login pages: the error names the login and the credential to configure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from yarl import URL

from stac_asset import Config, download_file, download_item
from stac_asset.errors import DownloadError, LoginPageError, StacAssetError
from stac_asset.testing import Origin, Redirect, Status
from stac_asset.transfer.logins import is_login, login_error
from tests.support.items import item_from_origin

PAGE = b"<!DOCTYPE html>\n<html><body><form></form></body></html>"

LOGINS = [
    "https://urs.earthdata.nasa.gov/oauth/authorize?client_id=x",
    "https://uat.urs.earthdata.nasa.gov/",
    "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/auth",
    "https://login.microsoftonline.com/tenant/oauth2/v2.0/authorize",
    "https://example.okta.com/app/x/sso/saml",
    "https://example.com/oauth/authorize",
    "https://example.com/adfs/ls/?wa=signin",
    "https://cas.example.com/cas/login?service=x",
    "https://example.com/realms/x/protocol/openid-connect/auth",
    "https://idp.example.edu/idp/profile/SAML2/Redirect/SSO",
    "https://example.com/Shibboleth.sso/Login",
    "https://accounts.google.com/o/oauth2/v2/auth",
    "https://example.com/users/sign_in",
    "https://example.com/account/login.php",
    "https://example.com/Login/",
    "https://eoiam-idp.eo.esa.int/samlsso",
]

NO_LOGINS = [
    "https://example.com/a.tif",
    "https://data.earthdata.nasa.gov/a.h5",
    "https://urs.earthdata.nasa.gov.example.com/a",
    "https://bucket.s3.amazonaws.com/authorized/a.tif",
    "https://example.com/catalogin/a.tif",
    "https://example.com/authors/a.json",
]


@pytest.fixture
def provider() -> Iterator[Origin]:
    """The origin of the login page."""
    with Origin() as running:
        yield running


@pytest.mark.parametrize("url", LOGINS)
def test_login_page_is_recognized_by_url(url: str) -> None:
    assert is_login(URL(url))


@pytest.mark.parametrize("url", NO_LOGINS)
def test_other_pages_are_not_login_pages(url: str) -> None:
    assert not is_login(URL(url))


@pytest.mark.parametrize(
    ("login", "advice"),
    [
        (LOGINS[0], "add e4ftl01.cr.usgs.gov to `earthdata_hosts`"),
        (LOGINS[2], "`oauth2_grant` with the token endpoint of the Copernicus Data Space"),
        (LOGINS[5], "Configure a credential for e4ftl01.cr.usgs.gov"),
        (
            "https://ers.cr.usgs.gov/login/",
            "`alternate_assets=['s3']` and `s3_requester_pays=True`",
        ),
    ],
)
def test_error_names_login_and_credential(login: str, advice: str) -> None:
    requested = URL("https://e4ftl01.cr.usgs.gov/a.h5?token=secret")
    text = str(login_error(requested, URL(login)))
    assert advice in text
    assert f"redirects to the login page of {URL(login).host}" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    "answer",
    [
        Status(200, headers={"Content-Type": "text/html"}, body=PAGE),
        Status(200, headers={"Content-Type": "application/octet-stream"}, body=PAGE),
        Status(401, headers={"Content-Type": "text/html"}, body=PAGE),
        Status(403),
    ],
)
async def test_redirect_to_login_is_an_error_without_retry(
    origin: Origin, provider: Origin, tmp_path: Path, config: Config, answer: Status
) -> None:
    origin.fault("/a.tif", Redirect(provider.href("/oauth/authorize")), times=0)
    provider.fault("/oauth/authorize", answer, times=0)
    with pytest.raises(DownloadError) as raised:
        await download_item(item_from_origin(origin, "a"), tmp_path, config=config)
    (error,) = raised.value.exceptions
    assert isinstance(error, LoginPageError)
    assert "a login is needed" in str(error)
    assert "the login page of 127.0.0.1" in str(error)
    assert len(origin.gets()) == 1
    assert [path.name for path in tmp_path.iterdir()] in ([], ["the-item.json"])


async def test_endless_redirects_through_login_name_the_login(
    origin: Origin, provider: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/a.tif", Redirect(provider.href("/cas/login")), times=0)
    provider.fault("/cas/login", Redirect(origin.href("/a.tif")), times=0)
    with pytest.raises(LoginPageError, match="a login is needed"):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)


async def test_redirect_through_login_to_file_is_followed(
    origin: Origin, provider: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/a.tif", Redirect(provider.href("/oauth/authorize")), times=0)
    provider.fault("/oauth/authorize", Redirect(origin.href("/b.tif")), times=0)
    await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/b.tif")


async def test_file_below_path_of_login_is_downloaded(
    origin: Origin, provider: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/a.tif", Redirect(provider.href("/sso/a.tif")), times=0)
    await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == provider.content("/sso/a.tif")


async def test_busy_login_is_retried(
    origin: Origin, provider: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/a.tif", Redirect(provider.href("/login")), times=0)
    provider.fault("/login", Status(503), times=0)
    config.http_max_attempts = 2
    with pytest.raises(StacAssetError, match="503"):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert len(origin.gets()) == 2
