"""Hosts that receive the Earthdata token, refusals, login pages and resumed downloads."""

from __future__ import annotations

import logging
import pickle
import traceback
from pathlib import Path

import pytest
from yarl import URL

from stac_asset import Config, EarthdataClient
from stac_asset.clients import Client, Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import (
    AccessError,
    ContentTypeError,
    LoginPageError,
    ResponseForbiddenError,
    StacAssetError,
)
from stac_asset.testing import ClientContract, LoginPage, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded
from tests.stac_asset.clients.earthdata.conftest import MakeClient
from tests.support.client_reads import read_bytes
from tests.support.earthdata_tls import (
    CODE,
    COOKIE,
    DATA,
    LOGIN,
    SIGNATURE,
    STORAGE,
    TOKEN,
    EarthdataOverTls,
)
from tests.support.error_chains import chain_of
from tests.support.loopback import loopback_session, recording_server
from tests.support.transfers import file_transfer


class TestEarthdataClient(ClientContract):
    secrets = (TOKEN, COOKIE, CODE, SIGNATURE)

    @pytest.fixture(autouse=True)
    def _serve(self, earthdata: EarthdataOverTls) -> None:
        self.earthdata = earthdata
        earthdata.storage.remove("/missing.bin")

    async def make_client(self) -> Client:
        return EarthdataClient(self.earthdata.session(), token=TOKEN)

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        return self.earthdata.put(name, data, content_type)

    def missing_href(self) -> str:
        return f"https://{DATA}/missing.bin"

    def foreign_href(self) -> str:
        return "https://example.com/file.bin"

    async def test_wrong_content_type_is_an_error(self) -> None:
        """HTML would count as a login page, so the test uses JSON."""
        async with self._client() as client:
            href = await self.put("page.bin", b"{}", "application/json")
            assert await read_bytes(client, href, "application/json") == b"{}"
            with pytest.raises(ContentTypeError, match="'application/json'"):
                await read_bytes(client, href, "image/tiff")


async def test_token_is_sent_to_earthdata_hosts_and_not_to_storage(
    earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    assert await read_bytes(make_client(), earthdata.put("/a.tif", b"pixels")) == b"pixels"
    assert [(request.host, request.path) for request in earthdata.seen] == [
        (DATA, "/a.tif"),
        (LOGIN, "/oauth/authorize"),
        (DATA, "/login"),
        (DATA, "/a.tif"),
    ]
    for request in earthdata.seen:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
    stored = earthdata.storage.gets()
    assert [request.query for request in stored] == [f"X-Amz-Signature={SIGNATURE}"]
    for request in stored:
        assert "authorization" not in request.headers
        assert "cookie" not in request.headers


async def test_session_cookie_avoids_second_login(
    earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    """Cookies are sent to Earthdata hosts only."""
    client = make_client()
    await read_bytes(client, earthdata.put("/a.tif", b"pixels"))
    await read_bytes(client, earthdata.put("/b.tif", b"more"))
    assert len(earthdata.requests_to(LOGIN)) == 1
    assert [COOKIE in request.headers.get("cookie", "") for request in earthdata.seen] == [
        False,
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "href",
    [
        "https://data.earthdata.nasa.gov.evil.example/a.tif",
        "https://evilearthdata.nasa.gov/a.tif",
        "https://evil-earthdata.nasa.gov/a.tif",
        "https://earthdata.nasa.gov@www.evil.example/a.tif",
        "https://www.evil.example/data.earthdata.nasa.gov/a.tif",
        "https://www.evil.example/?data.earthdata.nasa.gov",
        "https://data.earthdata.nasa.gov:8443/a.tif",
    ],
)
async def test_similar_hosts_receive_no_token(
    href: str, earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    """Neither the token of the client nor a token in the session of the caller is sent."""
    headers = {"Authorization": "Bearer 0wn-token"}
    for client in (make_client(), make_client(None, session=earthdata.session(headers=headers))):
        assert await read_bytes(client, href) == b"caught"
    earthdata.other_hosts.assert_never_sent(TOKEN)
    earthdata.other_hosts.assert_never_sent("0wn-token")


@pytest.mark.parametrize(
    "location",
    [
        "https://data.earthdata.nasa.gov.evil.example/a.tif",
        "https://evilearthdata.nasa.gov/a.tif",
        "http://data.earthdata.nasa.gov/a.tif",
    ],
)
async def test_redirect_to_other_host_carries_no_secrets(
    location: str, earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    """The headers of the session and the login cookie are not sent, even without TLS."""
    href = earthdata.put("/a.tif", b"pixels")
    async with recording_server() as plain:
        if location.startswith("http://"):
            earthdata.other_hosts = plain
        client = make_client(session=earthdata.session(headers={"X-Session": "0wn-s3cret"}))
        await read_bytes(client, href)
        earthdata.redirects["/a.tif"] = location
        await read_bytes(client, href)
        assert COOKIE in earthdata.seen[-1].headers["cookie"]
        for secret in (TOKEN, COOKIE, "0wn-s3cret"):
            earthdata.other_hosts.assert_never_sent(secret)


async def test_token_is_not_sent_without_tls(earthdata: EarthdataOverTls) -> None:
    async with recording_server() as plain:
        names = {"data.earthdata.nasa.gov": plain.port}
        async with EarthdataClient(loopback_session(names), token=TOKEN) as client:
            await read_bytes(client, "http://data.earthdata.nasa.gov/a.tif")
        plain.assert_never_sent(TOKEN)


@pytest.mark.parametrize(
    ("hosts", "sent"),
    [
        (["http://127.0.0.1:{port}"], True),
        (["http://*.0.0.1:{port}"], True),
        (["127.0.0.1:{port}"], False),
        (["http://127.0.0.1"], False),
        ([], False),
    ],
)
async def test_given_hosts_receive_token(hosts: list[str], sent: bool) -> None:
    async with recording_server() as plain:
        patterns = [host.format(port=plain.port) for host in hosts]
        async with EarthdataClient(loopback_session(), token=TOKEN, hosts=patterns) as client:
            await read_bytes(client, f"{plain.url}/a.tif")
            assert client.claims(URL(plain.url)) is sent
        assert ("authorization" in plain.seen[0].headers) is sent


async def test_token_in_headers_of_session_is_used(
    earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    """The upstream documentation describes sessions with a login in the headers."""
    own_session = earthdata.session(headers={"Authorization": f"Bearer {TOKEN}"})
    assert (
        await read_bytes(make_client(None, session=own_session), earthdata.put("/a.tif", b"pixels"))
        == b"pixels"
    )
    assert all("authorization" not in request.headers for request in earthdata.storage.gets())


async def test_certificates_of_session_are_used(earthdata: EarthdataOverTls) -> None:
    async with EarthdataClient(loopback_session({"*": earthdata.port}), token=TOKEN) as client:
        with pytest.raises(StacAssetError, match="cannot be reached: TLS error"):
            await read_bytes(client, f"https://{DATA}/a.tif")
    assert not earthdata.seen


@pytest.mark.parametrize("content_type", [None, "image/tiff", "application/json"])
@pytest.mark.parametrize("checked", [True, False])
async def test_login_page_is_an_error(
    content_type: str | None, checked: bool, earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    client = make_client("expired", check_content_type=checked)
    href = earthdata.put("/a.tif", b"pixels")
    with pytest.raises(LoginPageError) as raised:
        await read_bytes(client, href, content_type)
    assert str(raised.value) == (
        f"{href} cannot be read: {LOGIN} sent a login page instead of the file, because the "
        "Earthdata token is missing, has expired, or is not valid for this data. Generate a new "
        f"token, or approve the application of the archive at {DATA} at "
        "https://urs.earthdata.nasa.gov/profile (Applications, Authorized Apps)"
    )
    assert not await client.href_exists(href)


async def test_login_page_is_an_error_for_html_asset(
    earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    with pytest.raises(LoginPageError, match=LOGIN):
        await read_bytes(
            make_client("expired"), earthdata.put("/page.html", b"<html>"), "text/html"
        )


@pytest.mark.parametrize("href", ["/a.tif", "/folder/a"])
async def test_login_page_of_other_host_is_an_error(
    href: str, earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    href = earthdata.put(href, b"pixels")
    earthdata.storage.fault("*", LoginPage(), times=0)
    with pytest.raises(LoginPageError, match=STORAGE):
        await read_bytes(make_client(check_content_type=False), href)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/page", "text/html; charset=utf-8"), ("/page.html", None), ("/page.bin", "TEXT/HTML")],
)
async def test_html_asset_is_read(
    path: str, content_type: str | None, earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    href = earthdata.put(path, b"<html>", "text/html; charset=utf-8")
    assert await read_bytes(make_client(), href, content_type) == b"<html>"


async def test_page_of_login_host_is_read_on_request(
    earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    page = await read_bytes(
        make_client("expired"), f"https://{LOGIN}/documentation.html", "text/html"
    )
    assert b"Earthdata Login" in page


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("host", [DATA, LOGIN])
async def test_refusal_contains_status_host_and_reason(
    status: int, host: str, earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    earthdata.statuses[host] = status
    client, href = make_client(), earthdata.put("/a.tif", b"pixels")
    for operation in (read_bytes(client, href), client.assert_href_exists(href)):
        with pytest.raises(ResponseForbiddenError) as raised:
            await operation
        assert isinstance(raised.value, AccessError)
        assert raised.value.status == status
        assert str(raised.value).endswith(
            f" for {href}: {host} sends this status if the Earthdata token is missing, has "
            "expired, or is not valid for this data. Generate a new token, or approve the "
            f"application of the archive at {DATA} at https://urs.earthdata.nasa.gov/profile "
            "(Applications, Authorized Apps)"
        )
        assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


async def test_refusal_by_storage_does_not_mention_token(
    earthdata: EarthdataOverTls, make_client: MakeClient
) -> None:
    earthdata.storage.require("X-None", "none", status=403)
    with pytest.raises(ResponseForbiddenError) as raised:
        await read_bytes(make_client(), earthdata.put("/a.tif", b"pixels"))
    assert "token" not in str(raised.value)


async def test_logs_and_errors_contain_no_secrets(
    earthdata: EarthdataOverTls, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client(check_content_type=False)
    output = [repr(client), repr(vars(client))]
    href = earthdata.put("/a.tif", b"pixels", "text/plain")
    await read_bytes(client, href, "image/tiff")
    earthdata.storage.remove("/b.tif")
    for requested in (href.replace("a.tif", "b.tif"), href):
        with pytest.raises(StacAssetError) as raised:
            await read_bytes(client, requested)
        for error in chain_of(raised.value):
            output += [repr(error), repr(vars(error)), *traceback.format_exception(error)]
        earthdata.storage.close()
    output += [caplog.text]
    for secret in (TOKEN, COOKIE, CODE, SIGNATURE):
        assert not [text for text in output if secret in text]


async def test_interrupted_download_is_resumed_after_redirects(
    earthdata: EarthdataOverTls, make_client: MakeClient, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 4096
    href, path = earthdata.put("/a.tif", data), tmp_path / "a.tif"
    earthdata.storage.fault("/a.tif", Truncate(after=300_000))
    config = Config(retry_wait=0.01)
    engine = Engine(Clients(config, [make_client()]), config, LocalDestinations())
    outcome = await engine.download(file_transfer(href, path))
    assert isinstance(outcome, Downloaded), outcome
    assert path.read_bytes() == data
    assert [request.range for request in earthdata.storage.gets()] == [None, "bytes=300000-"]
