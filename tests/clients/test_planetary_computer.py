"""Signs hrefs of a real Azurite with real SAS tokens, from an endpoint of ours."""

from __future__ import annotations

import asyncio
import logging
import pickle
import re
import ssl
import traceback
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from stac_asset import Config, PlanetaryComputerClient
from stac_asset.clients import Client, Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import (
    ConfigError,
    NotFoundError,
    ResponseForbiddenError,
    TokenError,
    TransferError,
)
from stac_asset.testing import ClientContract, Origin, Reset, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request
from stac_asset.types import Candidate, Downloaded, Failed, Transfer
from tests.chains import chain_of
from tests.clients.azurite import ACCOUNT, Azurite, TokenEndpoint, container_sas
from tests.clients.loopback import catching, reroute, served, session

KEY = "subscr1ption-key"
BLOBS = "blob.core.windows.net"

Make = Callable[..., PlanetaryComputerClient]


@pytest.fixture
def container() -> str:
    """A container that no other test uses."""
    return f"c{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def make(azurite: Azurite, tokens: TokenEndpoint, config: Config) -> AsyncIterator[Make]:
    """Makes clients of the endpoint that sign what is on Azurite."""
    made: list[PlanetaryComputerClient] = []

    def client(**kwargs: object) -> PlanetaryComputerClient:
        options = {"blob_hosts": [azurite.url], "config": config, **kwargs}
        if "session" not in kwargs:
            options["session"] = session()
        options.setdefault("sas_token_endpoint", tokens.url)
        made.append(PlanetaryComputerClient(**options))  # type: ignore[arg-type]
        return made[-1]

    yield client
    for each in made:
        await each.close()


async def read(client: Client, href: str) -> bytes:
    return b"".join([chunk async for chunk in client.open_href(href)])


async def until(condition: Callable[[], bool], seconds: float = 240) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def transfer(href: str, path: Path) -> Transfer:
    return Transfer("item 'a'", path.name, (Candidate(href, str(path)),), str(path.parent))


class TestPlanetaryComputerClient(ClientContract):
    secrets = (KEY, "sig=", "s3cr3t")

    @pytest.fixture(autouse=True)
    def _serve(self, azurite: Azurite, tokens: TokenEndpoint, container: str) -> None:
        self.azurite, self.tokens, self.container = azurite, tokens, container

    async def make_client(self) -> Client:
        return PlanetaryComputerClient(
            session(),
            self.tokens.url,
            subscription_key=KEY,
            blob_hosts=[self.azurite.url],
        )

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        put = self.azurite.put
        return await asyncio.to_thread(put, self.container, name, data, content_type)

    def missing_href(self) -> str:
        self.azurite.put(self.container, "there.bin", b"")
        return f"{self.azurite.url}/{ACCOUNT}/{self.container}/missing.bin?x=s3cr3t"

    def foreign_href(self) -> str:
        return "https://example.com/file.bin"


# Which hrefs are signed


async def test_blobs_of_azure_are_signed(azurite: Azurite, make: Make, container: str) -> None:
    """The real host, over http: the account is in its name, the container in the path."""
    azurite.put(container, "a b.tif", b"pixels")
    client = make(session=session({f"{ACCOUNT}.{BLOBS}": azurite.port}), blob_hosts=())
    assert await read(client, f"http://{ACCOUNT}.{BLOBS}/{container}/a%20b.tif") == b"pixels"


async def test_over_https_the_sessions_certificates_count(
    certified: ssl.SSLContext, trusting: ssl.SSLContext, tokens: TokenEndpoint, make: Make
) -> None:
    href = f"https://{ACCOUNT}.{BLOBS}/naip/a.tif"
    with Origin(ssl_context=certified) as storage:
        storage.put("/naip/a.tif", b"pixels")
        names = {f"{ACCOUNT}.{BLOBS}": storage.port}
        assert await read(make(session=session(names, trusting)), href) == b"pixels"
        assert [request.query for request in storage.gets()] == tokens.given
        with pytest.raises(TransferError, match="cannot be reached: TLS error"):
            await read(make(session=session(names)), href)


@pytest.mark.parametrize(
    "host",
    [
        f"{ACCOUNT}.{BLOBS}.evil.example",
        f"evil{BLOBS}",
        f"{ACCOUNT}.evil{BLOBS}",
        f"{ACCOUNT}.x.{BLOBS}",
        f"{ACCOUNT}.{BLOBS}:8080",
        f"evil.example/{ACCOUNT}.{BLOBS}",
        f"{BLOBS}",
        f"{ACCOUNT}.{BLOBS}@evil.example",
        f"ai4edatasetspublicassets.{BLOBS}",
    ],
)
async def test_nobody_else_gets_a_token(host: str, tokens: TokenEndpoint, make: Make) -> None:
    async with catching() as catcher:
        client = make(session=session({"*": catcher.port}), subscription_key=KEY, blob_hosts=())
        assert await read(client, f"http://{host}/naip/a.tif") == b"caught"
        assert [request.query for request in catcher.seen] == [""]
        catcher.assert_never_sent(KEY)
    assert not tokens.seen


@pytest.mark.parametrize("field", ["st", "se", "sp", "sig"])
async def test_what_is_signed_already_stays_as_it_is(
    field: str, tokens: TokenEndpoint, make: Make
) -> None:
    async with catching() as catcher:
        client = make(blob_hosts=[catcher.url])
        await read(client, f"{catcher.url}/{ACCOUNT}/naip/a.tif?x=1&{field}=2024%3a01")
        assert [request.query for request in catcher.seen] == [f"x=1&{field}=2024%3a01"]
    assert not tokens.seen


async def test_a_signed_href_that_is_refused_is_asked_for_once(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    client = make()
    assert await read(client, href) == b"pixels"
    past = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(ResponseForbiddenError):
        await read(client, f"{href}?{container_sas(container, past, past, 'rl')}")
    assert len(tokens.seen) == 1


@pytest.mark.parametrize("path", ["/a.tif", "/..%2f..%2fkeys/a.tif", "/UPPER/a.tif", "/a/b.tif"])
async def test_what_is_no_container_is_not_asked_for(
    path: str, tokens: TokenEndpoint, make: Make
) -> None:
    """Names come from items; the token endpoint gets none that could be another path."""
    async with catching() as catcher:
        client = make(session=session({"*": catcher.port}), blob_hosts=())
        await read(client, f"http://{ACCOUNT}.{BLOBS}{path}")
        assert [request.query for request in catcher.seen] == [""]
    assert not tokens.seen


async def test_a_query_and_odd_names_survive_the_signing(tokens: TokenEndpoint, make: Make) -> None:
    async with catching() as catcher:
        client = make(blob_hosts=[catcher.url])
        await read(
            client, f"{catcher.url}/{ACCOUNT}/naip/a%2Bb+c%20%C3%BC.tif?snapshot=2024%2D01#x"
        )
        request = catcher.seen[0]
    assert request.path == f"/{ACCOUNT}/naip/a%2Bb+c%20%C3%BC.tif"
    assert request.query == f"snapshot=2024%2D01&{tokens.given[0]}"


async def test_claims_what_the_routes_say_and_the_hosts_given(make: Make) -> None:
    client = make(blob_hosts=["http://127.0.0.1:10000"])
    assert client.claims(URL(f"https://{ACCOUNT}.{BLOBS}/naip/a.tif"))
    assert client.claims(URL("http://127.0.0.1:10000/account/naip/a.tif"))
    assert not client.claims(URL(f"https://{ACCOUNT}.{BLOBS}.evil.example/naip/a.tif"))
    assert not client.claims(URL("http://127.0.0.1:10001/account/naip/a.tif"))


async def test_from_config(tokens: TokenEndpoint, config: Config) -> None:
    async with catching() as catcher:
        config.sas_token_endpoint, config.pc_subscription_key = tokens.url, KEY
        config.http_check_content_type = False
        async with Clients(config) as clients:
            client = await clients.get_client(f"https://{ACCOUNT}.{BLOBS}/naip/a.tif")
            assert isinstance(client, PlanetaryComputerClient)
            assert client.sas_token_endpoint == tokens.url
            assert not client.check_content_type
            await reroute(client, session({"*": catcher.port}))
            await read(client, f"http://{ACCOUNT}.{BLOBS}/naip/a.tif")
        assert catcher.seen[0].query == tokens.given[0]
    assert tokens.seen[0].headers["ocp-apim-subscription-key"] == KEY


async def test_what_is_no_endpoint_is_an_error_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="sas_token_endpoint 'sas'"):
        await PlanetaryComputerClient.from_config(Config(sas_token_endpoint="sas"))


# The tokens' life


async def test_a_thousand_assets_cost_one_token_request(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    client = make()
    limit = asyncio.Semaphore(100)

    async def one() -> bytes:
        async with limit:
            return await read(client, href)

    assert set(await asyncio.gather(*(one() for _ in range(1000)))) == {b"pixels"}
    assert len(tokens.seen) == 1


async def test_containers_do_not_wait_for_one_another(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    slow, quick = f"{container}-slow", f"{container}-quick"
    tokens.gates[slow] = asyncio.Event()
    client = make()
    waiting = asyncio.create_task(read(client, azurite.put(slow, "a.tif", b"slow")))
    await until(lambda: tokens.asked[slow] == 1)
    assert await read(client, azurite.put(quick, "a.tif", b"quick")) == b"quick"
    assert not waiting.done()
    tokens.gates[slow].set()
    assert await waiting == b"slow"
    assert tokens.asked == {slow: 1, quick: 1}


async def test_one_who_gives_up_waiting_does_not_disturb_the_others(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    tokens.gates[container] = asyncio.Event()
    client = make()
    first, second = (asyncio.create_task(read(client, href)) for _ in range(2))
    await until(lambda: bool(tokens.seen))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    tokens.gates[container].set()
    assert await second == b"pixels"


async def test_a_token_is_renewed_before_it_expires(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    """The storage would take each token for an hour: nothing but our foresight renews it."""
    tokens.life, tokens.real_life = 2, 3600
    href = azurite.put(container, "a.tif", b"pixels")
    client = make()

    async def renewed() -> None:
        while len(tokens.seen) < 3:
            assert await read(client, href) == b"pixels"
            await asyncio.sleep(0.02)

    await asyncio.wait_for(renewed(), 240)


async def test_a_token_is_not_renewed_as_long_as_it_lasts(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    client = make()
    for _ in range(20):
        await read(client, href)
    assert len(tokens.seen) == 1


async def test_a_clock_that_is_hours_off_costs_no_further_requests(make: Make) -> None:
    """How long a token lasts is known by the endpoint's clock, not by this machine's."""
    seen: list[str] = []
    behind = datetime.now(UTC) - timedelta(hours=5)

    async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        seen.append(request.path)
        expiry = (behind + timedelta(hours=1)).isoformat()
        date = behind.strftime("%a, %d %b %Y %H:%M:%S GMT")
        body = {"msft:expiry": expiry, "token": "sig=x"}
        return aiohttp.web.json_response(body, headers={"Date": date})

    async with served(answer) as port, catching() as catcher:
        client = make(sas_token_endpoint=f"http://127.0.0.1:{port}", blob_hosts=[catcher.url])
        for _ in range(2):
            await read(client, f"{catcher.url}/{ACCOUNT}/naip/a.tif")
            await asyncio.sleep(1.1)  # No token counts as dead within its first second.
    assert len(seen) == 1


async def test_a_token_that_expired_meanwhile_is_replaced_once(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    """The storage refuses it, whatever its announced expiry: a hundred assets, one new token."""
    tokens.life, tokens.real_life = 3600, 5
    href = azurite.put(container, "a.tif", b"pixels")
    client = make()
    assert await read(client, href) == b"pixels"
    async with aiohttp.ClientSession() as plain:

        async def refused() -> bool:
            async with plain.get(f"{href}?{tokens.given[0]}") as response:
                return response.status == 403

        while not await refused():
            await asyncio.sleep(0.1)
    tokens.real_life = 3600
    assert set(await asyncio.gather(*(read(client, href) for _ in range(100)))) == {b"pixels"}
    assert len(tokens.seen) == 2
    assert (await client.stat(Request(URL(href)))).size == 6


async def test_a_refusal_that_stays_is_an_error_and_no_loop(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    tokens.real_life = -60
    href = azurite.put(container, "a.tif", b"pixels")
    client = make()
    for _ in range(10):
        with pytest.raises(ResponseForbiddenError, match="403"):
            await read(client, href)
        assert not await client.href_exists(href)
    assert len(tokens.seen) == 2


# The endpoint's troubles


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_may_pass_is_tried_again(
    status: int, azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    tokens.faults = [(status, {})] * 3
    href = azurite.put(container, "a.tif", b"pixels")
    assert await read(make(), href) == b"pixels"
    assert len(tokens.seen) == 4


async def test_retry_after_is_respected(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str
) -> None:
    """Not before the second that is asked for, by the loop's clock; the backoff alone is 10 ms."""
    tokens.faults = [(429, {"Retry-After": "1"})]
    href = azurite.put(container, "a.tif", b"pixels")
    client = make(config=Config(retry_wait=0.01, retry_wait_max=5))
    started = asyncio.get_running_loop().time()
    assert await read(client, href) == b"pixels"
    assert asyncio.get_running_loop().time() - started >= 1


async def test_a_connection_that_breaks_is_tried_again(make: Make) -> None:
    with Origin() as endpoint:
        endpoint.put(f"/{ACCOUNT}/naip", b'{"token": "sig=x"}')
        endpoint.fault("*", Reset(-1), times=3)
        endpoint.fault("*", Truncate(3))
        async with catching() as catcher:
            client = make(sas_token_endpoint=endpoint.url, blob_hosts=[catcher.url])
            await read(client, f"{catcher.url}/{ACCOUNT}/naip/a.tif")
            assert catcher.seen[0].query == "sig=x"


async def test_an_endpoint_that_cannot_be_reached_is_an_error(make: Make) -> None:
    async with catching() as gone:
        endpoint = f"{gone.url}/token"
    client = make(sas_token_endpoint=endpoint, blob_hosts=["http://blobs.example"])
    with pytest.raises(TokenError, match=r"127\.0\.0\.1:\d+ issued no SAS token for") as raised:
        await read(client, f"http://blobs.example/{ACCOUNT}/naip/a.tif")
    assert raised.value.transient


async def test_a_refusal_of_the_endpoint_is_one_sentence(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, tmp_path: Path
) -> None:
    """It names the endpoint's host and the container, and is not tried again, by nobody."""
    client = make()
    engine = Engine(Clients(Config(), [client]), Config(), LocalDestinations())
    hrefs = [f"{azurite.url}/otheraccount/naip/{number}.tif" for number in range(30)]
    transfers = [transfer(href, tmp_path / f"{number}.tif") for number, href in enumerate(hrefs)]
    outcomes = [outcome async for outcome in engine.run(transfers)]
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(errors) == 30
    assert len({id(error) for error in errors}) == 30
    assert {error.message for error in errors if isinstance(error, TokenError)} == {
        f"127.0.0.1:{tokens.port} issued no SAS token for container 'naip' of account "
        f"'otheraccount': 404 for {tokens.url}/otheraccount/naip"
    }
    assert len({str(error) for error in errors}) == 30, "each says whose it is"
    assert not any(error.transient for error in errors if isinstance(error, TokenError))
    assert len(tokens.seen) == 1


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"token": ""}', b'{"token": "a b\\r\\nX: y"}']
)
async def test_an_answer_without_a_token_is_an_error(body: bytes, make: Make) -> None:
    async with catching() as endpoint:
        endpoint.body = body
        client = make(sas_token_endpoint=endpoint.url, blob_hosts=["http://blobs.example"])
        with pytest.raises(TokenError, match="the response contains no token"):
            await read(client, f"http://blobs.example/{ACCOUNT}/naip/a.tif")


# Secrets


async def test_the_subscription_key_goes_to_the_endpoint_only(
    tokens: TokenEndpoint, make: Make
) -> None:
    async with catching() as catcher:
        client = make(subscription_key=KEY, blob_hosts=[catcher.url])
        await read(client, f"{catcher.url}/{ACCOUNT}/naip/a.tif")
        await read(client, f"http://127.0.0.1:{catcher.port}/other")
        catcher.assert_never_sent(KEY)
    assert [request.headers.get("ocp-apim-subscription-key") for request in tokens.seen] == [KEY]


async def test_the_subscription_key_does_not_follow_a_redirect(
    tokens: TokenEndpoint, make: Make
) -> None:
    async with catching() as elsewhere, catching() as blobs:
        elsewhere.body = b'{"token": "sig=x"}'
        tokens.faults = [
            (307, {"Location": f"{tokens.url}/{ACCOUNT}/again"}),
            (307, {"Location": f"{elsewhere.url}/{ACCOUNT}/naip"}),
        ]
        client = make(subscription_key=KEY, blob_hosts=[blobs.url])
        await read(client, f"{blobs.url}/{ACCOUNT}/naip/a.tif")
        elsewhere.assert_never_sent(KEY)
        blobs.assert_never_sent(KEY)
    keys = [request.headers.get("ocp-apim-subscription-key") for request in tokens.seen]
    assert keys == [KEY, KEY]


async def test_a_token_does_not_follow_a_redirect(tokens: TokenEndpoint, make: Make) -> None:
    async with catching() as elsewhere:
        found = aiohttp.web.HTTPFound(f"{elsewhere.url}/{ACCOUNT}/naip/a.tif")

        async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
            return aiohttp.web.Response(status=found.status, headers=found.headers)

        async with served(answer) as port:
            blobs = f"http://127.0.0.1:{port}"
            await read(make(blob_hosts=[blobs]), f"{blobs}/{ACCOUNT}/naip/a.tif")
        elsewhere.assert_never_sent("sig")


async def test_tokens_are_shown_nowhere(
    azurite: Azurite,
    tokens: TokenEndpoint,
    make: Make,
    container: str,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    href = azurite.put(container, "a.tif", b"pixels", "text/plain")
    client = make(subscription_key=KEY, check_content_type=False)
    shown = [repr(client), repr(vars(client)), str(client)]
    [chunk async for chunk in client.open_href(href, content_type="image/tiff")]
    errors: list[BaseException] = []

    async def broken(request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")
        request.transport.close()
        return aiohttp.web.Response()

    async with served(broken) as port:
        blobs = f"http://127.0.0.1:{port}"
        strange = make(blob_hosts=[blobs], subscription_key=KEY, config=Config(http_max_attempts=1))
        for asked in (f"{blobs}/{ACCOUNT}/{container}/a.tif", href + ".missing"):
            for client in (strange, make(subscription_key=KEY)):
                try:
                    await read(client, asked)
                except TransferError as error:
                    errors += chain_of(error)
    assert any(isinstance(error, NotFoundError) for error in errors)
    for error in errors:
        shown += [repr(error), str(error), repr(error.args), *traceback.format_exception(error)]
        shown.append(repr(vars(error)))
        if isinstance(error, TransferError):
            shown.append(pickle.dumps(error).decode("latin1"))
    shown += [caplog.text, *map(str, caplog.messages)]
    signatures = re.findall(r"sig=([^&]+)", " ".join(tokens.given))
    assert len(signatures) == len(tokens.given) > 0
    for secret in (KEY, *signatures, *tokens.given):
        assert not [text for text in shown if secret in text]


# Continuation


async def test_a_part_file_is_continued_by_a_differently_signed_url(
    azurite: Azurite, tokens: TokenEndpoint, make: Make, container: str, tmp_path: Path
) -> None:
    """Across runs: another client, with another token, asks for the rest."""
    data = bytes(range(256)) * 8192
    href = azurite.put(container, "a.tif", data)
    path = tmp_path / "a.tif"
    async with cutting(azurite.port, after=500_000) as proxy:
        href = href.replace(azurite.url, proxy.url)
        config = Config(http_max_attempts=1)
        for expected in (Failed, Downloaded):
            client = make(blob_hosts=[proxy.url])
            engine = Engine(Clients(config, [client]), config, LocalDestinations())
            outcome = await engine.download(transfer(href, path))
            assert isinstance(outcome, expected), outcome
        assert isinstance(outcome, Downloaded)
    assert path.read_bytes() == data
    assert 0 < outcome.received < len(data)
    first, second = (re.findall(r"sig=([^& ]+)", request)[0] for request in proxy.requests)
    assert first != second
    assert f"Range: bytes={len(data) - outcome.received}-" in proxy.requests[1]
    assert "If-Range: " in proxy.requests[1]


class Proxy:
    """Passes on bytes to a port, but cuts its first connection."""

    def __init__(self, target: int, after: int) -> None:
        self.target, self.left = target, after
        self.requests: list[str] = []
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = not self.requests
        upstream, request = await asyncio.open_connection("127.0.0.1", self.target)
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head.decode())
        request.write(head)
        try:
            while piece := await upstream.read(65536):
                if cut:
                    piece, self.left = piece[: self.left], self.left - len(piece)
                writer.write(piece)
                await writer.drain()
                if cut and self.left <= 0:
                    break
        finally:
            for each in (writer, request):
                each.close()


class cutting:
    """A proxy before a port, as long as it is entered."""

    def __init__(self, target: int, after: int) -> None:
        self.proxy = Proxy(target, after)

    async def __aenter__(self) -> Proxy:
        self.server = await asyncio.start_server(self.proxy.accept, "127.0.0.1", 0)
        self.proxy.port = self.server.sockets[0].getsockname()[1]
        return self.proxy

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()
