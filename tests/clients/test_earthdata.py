"""Follows a chain of logins like Earthdata's, under Earthdata's names, over TLS."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import ssl
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from yarl import URL

from stac_asset import Config, EarthdataClient
from stac_asset.clients import Client, Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import (
    AccessError,
    ConfigError,
    ContentTypeError,
    LoginPageError,
    ResponseForbiddenError,
    StacAssetError,
)
from stac_asset.testing import ClientContract, LoginPage, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.types import Candidate, Downloaded, Transfer
from tests.chains import chain_of
from tests.clients.earthdata_like import (
    CODE,
    COOKIE,
    DATA,
    LOGIN,
    SIGNATURE,
    STORAGE,
    TOKEN,
    Earthdata,
    earthdata_like,
)
from tests.clients.loopback import catching, reroute, session

Make = Callable[..., EarthdataClient]


@pytest.fixture
async def earthdata(
    certified: ssl.SSLContext, trusting: ssl.SSLContext
) -> AsyncIterator[Earthdata]:
    async with earthdata_like(certified, trusting) as hosts:
        yield hosts


@pytest.fixture
async def make(earthdata: Earthdata) -> AsyncIterator[Make]:
    """Makes clients for which Earthdata is here."""
    made: list[EarthdataClient] = []

    def client(token: str | None = TOKEN, **kwargs: object) -> EarthdataClient:
        if "session" not in kwargs:
            kwargs["session"] = earthdata.session()
        made.append(EarthdataClient(token=token, **kwargs))  # type: ignore[arg-type]
        return made[-1]

    yield client
    for each in made:
        await each.close()


async def read(client: Client, href: str, content_type: str | None = None) -> bytes:
    chunks = client.open_href(href, content_type=content_type)
    return b"".join([chunk async for chunk in chunks])


class TestEarthdataClient(ClientContract):
    secrets = (TOKEN, COOKIE, CODE, SIGNATURE)

    @pytest.fixture(autouse=True)
    def _serve(self, earthdata: Earthdata) -> None:
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

    async def test_a_wrong_content_type_is_an_error(self) -> None:
        """A web page in place of a file is a login page here, so another type is wrong."""
        async with self._client() as client:
            href = await self.put("page.bin", b"{}", "application/json")
            assert await read(client, href, "application/json") == b"{}"
            with pytest.raises(ContentTypeError, match="'application/json'"):
                await read(client, href, "image/tiff")


# Where the token comes from


async def use(client: EarthdataClient, earthdata: Earthdata) -> list[str]:
    """Reads a file, and returns the tokens that were sent for it."""
    await reroute(client, earthdata.session())
    async with client:
        with contextlib.suppress(LoginPageError):
            await read(client, earthdata.put("/a.tif", b"pixels"))
    return sorted({request.headers["authorization"] for request in earthdata.seen})


async def test_login_takes_the_token_given(
    earthdata: Earthdata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", "another")
    assert await use(await EarthdataClient.login(TOKEN), earthdata) == [f"Bearer {TOKEN}"]


async def test_login_reads_the_environment_when_it_is_called(
    earthdata: Earthdata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", f" {TOKEN}\n")
    assert await use(await EarthdataClient.login(), earthdata) == [f"Bearer {TOKEN}"]


async def test_a_configuration_wins_over_the_environment(
    earthdata: Earthdata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", "another")
    config = Config(earthdata_token=TOKEN, http_check_content_type=False)
    client = await EarthdataClient.from_config(config)
    assert not client.check_content_type
    assert await use(client, earthdata) == [f"Bearer {TOKEN}"]


async def test_from_config_takes_the_environment_else(
    earthdata: Earthdata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", TOKEN)
    async with Clients(Config()) as clients:
        client = await clients.get_client(f"https://{DATA}/a.tif")
        assert isinstance(client, EarthdataClient)
        assert await use(client, earthdata) == [f"Bearer {TOKEN}"]


async def test_without_a_token_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_PAT", " ")
    monkeypatch.setenv("NETRC", "/nowhere/.netrc")
    with pytest.raises(ConfigError) as raised:
        await EarthdataClient.login()
    assert str(raised.value) == (
        "No Earthdata token is configured. Set `EARTHDATA_PAT` or `Config.earthdata_token`, or add "
        "a login for urs.earthdata.nasa.gov to .netrc."
    )
    monkeypatch.delenv("EARTHDATA_PAT")
    with pytest.raises(ConfigError, match="EARTHDATA_PAT"):
        await EarthdataClient.from_config(Config())


def test_importing_needs_no_token() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "EARTHDATA_PAT"}
    subprocess.run([sys.executable, "-c", "import stac_asset"], env=environment, check=True)


# Where the token goes


async def test_the_token_goes_to_earthdatas_hosts_and_not_to_the_storage(
    earthdata: Earthdata, make: Make
) -> None:
    assert await read(make(), earthdata.put("/a.tif", b"pixels")) == b"pixels"
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


async def test_who_is_logged_in_is_not_sent_to_log_in_again(
    earthdata: Earthdata, make: Make
) -> None:
    """Cookies work within Earthdata's hosts, and go nowhere else."""
    client = make()
    await read(client, earthdata.put("/a.tif", b"pixels"))
    await read(client, earthdata.put("/b.tif", b"more"))
    assert len(earthdata.seen_by(LOGIN)) == 1
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
async def test_look_alikes_get_no_token(href: str, earthdata: Earthdata, make: Make) -> None:
    """Neither the client's token, nor what a caller's session has for Earthdata."""
    headers = {"Authorization": "Bearer 0wn-token"}
    for client in (make(), make(None, session=earthdata.session(headers=headers))):
        assert await read(client, href) == b"caught"
    earthdata.elsewhere.assert_never_sent(TOKEN)
    earthdata.elsewhere.assert_never_sent("0wn-token")


@pytest.mark.parametrize(
    "location",
    [
        "https://data.earthdata.nasa.gov.evil.example/a.tif",
        "https://evilearthdata.nasa.gov/a.tif",
        "http://data.earthdata.nasa.gov/a.tif",
    ],
)
async def test_a_redirect_elsewhere_carries_nothing(
    location: str, earthdata: Earthdata, make: Make
) -> None:
    """Also with headers of the caller's session, after a login, and to a host without TLS."""
    href = earthdata.put("/a.tif", b"pixels")
    async with catching() as plain:
        if location.startswith("http://"):
            earthdata.elsewhere = plain
        client = make(session=earthdata.session(headers={"X-Session": "0wn-s3cret"}))
        await read(client, href)
        earthdata.redirects["/a.tif"] = location
        await read(client, href)
        assert COOKIE in earthdata.seen[-1].headers["cookie"]
        for secret in (TOKEN, COOKIE, "0wn-s3cret"):
            earthdata.elsewhere.assert_never_sent(secret)


async def test_without_tls_the_token_stays_at_home(earthdata: Earthdata) -> None:
    async with catching() as plain:
        names = {"data.earthdata.nasa.gov": plain.port}
        async with EarthdataClient(session(names), token=TOKEN) as client:
            await read(client, "http://data.earthdata.nasa.gov/a.tif")
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
async def test_hosts_can_be_given(hosts: list[str], sent: bool) -> None:
    async with catching() as plain:
        given = [host.format(port=plain.port) for host in hosts]
        async with EarthdataClient(session(), token=TOKEN, hosts=given) as client:
            await read(client, f"{plain.url}/a.tif")
            assert client.claims(URL(plain.url)) is sent
        assert ("authorization" in plain.seen[0].headers) is sent


async def test_a_callers_session_may_carry_the_token(earthdata: Earthdata, make: Make) -> None:
    """As it was documented: a session whose headers are the login."""
    own = earthdata.session(headers={"Authorization": f"Bearer {TOKEN}"})
    assert await read(make(None, session=own), earthdata.put("/a.tif", b"pixels")) == b"pixels"
    assert all("authorization" not in request.headers for request in earthdata.storage.gets())


async def test_the_sessions_certificates_count(earthdata: Earthdata) -> None:
    async with EarthdataClient(session({"*": earthdata.port}), token=TOKEN) as client:
        with pytest.raises(StacAssetError, match="cannot be reached: TLS error"):
            await read(client, f"https://{DATA}/a.tif")
    assert not earthdata.seen


# What is refused


@pytest.mark.parametrize("content_type", [None, "image/tiff", "application/json"])
@pytest.mark.parametrize("checked", [True, False])
async def test_a_login_page_is_an_error_that_says_so(
    content_type: str | None, checked: bool, earthdata: Earthdata, make: Make
) -> None:
    client = make("expired", check_content_type=checked)
    with pytest.raises(LoginPageError) as raised:
        await read(client, earthdata.put("/a.tif", b"pixels"), content_type)
    assert str(raised.value) == (
        f"{LOGIN} sent a login page instead of the file: the Earthdata token is missing, has "
        "expired, or is not valid for this data"
    )
    assert not await client.href_exists(earthdata.put("/a.tif", b"pixels"))


async def test_a_login_page_of_the_login_host_is_no_asset_whatever_that_is(
    earthdata: Earthdata, make: Make
) -> None:
    with pytest.raises(LoginPageError, match=LOGIN):
        await read(make("expired"), earthdata.put("/page.html", b"<html>"), "text/html")


@pytest.mark.parametrize("href", ["/a.tif", "/folder/a"])
async def test_a_login_page_of_another_host_is_none_either(
    href: str, earthdata: Earthdata, make: Make
) -> None:
    href = earthdata.put(href, b"pixels")
    earthdata.storage.fault("*", LoginPage(), times=0)
    with pytest.raises(LoginPageError, match=STORAGE):
        await read(make(check_content_type=False), href)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/page", "text/html; charset=utf-8"), ("/page.html", None), ("/page.bin", "TEXT/HTML")],
)
async def test_an_asset_that_is_a_web_page_is_fine(
    path: str, content_type: str | None, earthdata: Earthdata, make: Make
) -> None:
    href = earthdata.put(path, b"<html>", "text/html; charset=utf-8")
    assert await read(make(), href, content_type) == b"<html>"


async def test_a_page_of_the_login_host_can_be_asked_for(earthdata: Earthdata, make: Make) -> None:
    page = await read(make("expired"), f"https://{LOGIN}/documentation.html", "text/html")
    assert b"Earthdata Login" in page


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("host", [DATA, LOGIN])
async def test_a_refusal_says_why_and_by_whom(
    status: int, host: str, earthdata: Earthdata, make: Make
) -> None:
    earthdata.statuses[host] = status
    client, href = make(), earthdata.put("/a.tif", b"pixels")
    for refused in (read(client, href), client.assert_href_exists(href)):
        with pytest.raises(ResponseForbiddenError) as raised:
            await refused
        assert isinstance(raised.value, AccessError)
        assert raised.value.status == status
        assert str(raised.value).endswith(
            f" for {href}: {host} sends this status if the Earthdata token is missing, has "
            "expired, or is not valid for this data"
        )
        assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


async def test_a_refusal_of_the_storage_is_not_blamed_on_the_token(
    earthdata: Earthdata, make: Make
) -> None:
    earthdata.storage.require("X-None", "none", status=403)
    with pytest.raises(ResponseForbiddenError) as raised:
        await read(make(), earthdata.put("/a.tif", b"pixels"))
    assert "token" not in str(raised.value)


async def test_secrets_are_shown_nowhere(
    earthdata: Earthdata, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make(check_content_type=False)
    shown = [repr(client), repr(vars(client))]
    href = earthdata.put("/a.tif", b"pixels", "text/plain")
    await read(client, href, "image/tiff")
    earthdata.storage.remove("/b.tif")
    for asked in (href.replace("a.tif", "b.tif"), href):
        with pytest.raises(StacAssetError) as raised:
            await read(client, asked)
        for each in chain_of(raised.value):
            shown += [repr(each), repr(vars(each)), *traceback.format_exception(each)]
        earthdata.storage.close()
    shown += [caplog.text]
    for secret in (TOKEN, COOKIE, CODE, SIGNATURE):
        assert not [text for text in shown if secret in text]


# Continuation


async def test_what_breaks_off_is_continued_behind_another_signature(
    earthdata: Earthdata, make: Make, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 4096
    href, path = earthdata.put("/a.tif", data), tmp_path / "a.tif"
    earthdata.storage.fault("/a.tif", Truncate(after=300_000))
    config = Config(retry_wait=0.01)
    engine = Engine(Clients(config, [make()]), config, LocalDestinations())
    transfer = Transfer("item 'a'", "a", (Candidate(href, str(path)),), str(tmp_path))
    outcome = await engine.download(transfer)
    assert isinstance(outcome, Downloaded), outcome
    assert path.read_bytes() == data
    assert [request.range for request in earthdata.storage.gets()] == [None, "bytes=300000-"]
