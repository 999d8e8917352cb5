"""SAS tokens: sharing, renewal, and errors of the token endpoint."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import NotFoundError, ResponseForbiddenError, TokenError
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Reset, Status, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.interface import Request
from stac_asset.types import Failed
from tests.stac_asset.clients.planetary_computer.conftest import MakeClient
from tests.support.azurite import ACCOUNT, Azurite, TokenEndpoint
from tests.support.client_reads import read_bytes
from tests.support.loopback import recording_server, serve_handler
from tests.support.processes import wait_until
from tests.support.transfers import file_transfer


async def test_concurrent_reads_share_a_token_request(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client()
    limit = asyncio.Semaphore(100)

    async def read_limited() -> bytes:
        async with limit:
            return await read_bytes(client, href)

    assert set(await asyncio.gather(*(read_limited() for _ in range(1000)))) == {b"pixels"}
    assert len(tokens.seen) == 1


async def test_token_requests_of_containers_are_independent(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    slow, quick = f"{container}-slow", f"{container}-quick"
    tokens.gates[slow] = asyncio.Event()
    client = make_client()
    waiting = asyncio.create_task(read_bytes(client, azurite.put(slow, "a.tif", b"slow")))
    await wait_until(lambda: tokens.requests_by_container[slow] == 1)
    assert await read_bytes(client, azurite.put(quick, "a.tif", b"quick")) == b"quick"
    assert not waiting.done()
    tokens.gates[slow].set()
    assert await waiting == b"slow"
    assert tokens.requests_by_container == {slow: 1, quick: 1}


async def test_cancelled_read_does_not_cancel_token_request(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    tokens.gates[container] = asyncio.Event()
    client = make_client()
    first, second = (asyncio.create_task(read_bytes(client, href)) for _ in range(2))
    await wait_until(lambda: bool(tokens.seen))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    tokens.gates[container].set()
    assert await second == b"pixels"


async def test_token_is_renewed_before_expiry(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    """The storage accepts each token for an hour, so only the announced expiry causes a renewal."""
    tokens.life, tokens.real_life = 2, 3600
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client()

    async def read_until_renewed_twice() -> None:
        while len(tokens.seen) < 3:
            assert await read_bytes(client, href) == b"pixels"
            await asyncio.sleep(0.02)

    await asyncio.wait_for(read_until_renewed_twice(), 240)


async def test_valid_token_is_reused(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client()
    for _ in range(20):
        await read_bytes(client, href)
    assert len(tokens.seen) == 1


async def test_wrong_local_clock_causes_no_token_requests(make_client: MakeClient) -> None:
    """The lifetime of a token is relative to the clock of the token endpoint."""
    seen: list[str] = []
    behind = datetime.now(UTC) - timedelta(hours=5)

    async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        seen.append(request.path)
        expiry = (behind + timedelta(hours=1)).isoformat()
        date = behind.strftime("%a, %d %b %Y %H:%M:%S GMT")
        body = {"msft:expiry": expiry, "token": "sig=x"}
        return aiohttp.web.json_response(body, headers={"Date": date})

    async with serve_handler(answer) as port, recording_server() as recorder:
        client = make_client(
            sas_token_endpoint=f"http://127.0.0.1:{port}", blob_hosts=[recorder.url]
        )
        for _ in range(2):
            await read_bytes(client, f"{recorder.url}/{ACCOUNT}/naip/a.tif")
            await asyncio.sleep(1.1)  # Tokens count as valid for at least a second.
    assert len(seen) == 1


async def test_refused_token_is_replaced_once(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    """The storage refuses the token before the announced expiry for a hundred reads."""
    tokens.life, tokens.real_life = 3600, 5
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client()
    assert await read_bytes(client, href) == b"pixels"
    async with aiohttp.ClientSession() as plain:

        async def is_refused() -> bool:
            async with plain.get(f"{href}?{tokens.given[0]}") as response:
                return response.status == 403

        while not await is_refused():
            await asyncio.sleep(0.1)
    tokens.real_life = 3600
    assert set(await asyncio.gather(*(read_bytes(client, href) for _ in range(100)))) == {b"pixels"}
    assert len(tokens.seen) == 2
    assert (await client.stat(Request(URL(href)))).size == 6


async def test_persistent_refusal_is_an_error(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    tokens.real_life = -60
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client()
    for _ in range(10):
        with pytest.raises(ResponseForbiddenError, match="403"):
            await read_bytes(client, href)
        assert not await client.href_exists(href)
    assert len(tokens.seen) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_transient_status_of_token_endpoint_is_retried(
    status: int, azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    tokens.faults = [(status, {})] * 3
    href = azurite.put(container, "a.tif", b"pixels")
    assert await read_bytes(make_client(), href) == b"pixels"
    assert len(tokens.seen) == 4


async def test_retry_after_of_token_endpoint_is_respected(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, container: str
) -> None:
    """The server requests a second. The backoff alone is 10 ms."""
    tokens.faults = [(429, {"Retry-After": "1"})]
    href = azurite.put(container, "a.tif", b"pixels")
    client = make_client(config=Config(retry_wait=0.01, retry_wait_max=5))
    started = asyncio.get_running_loop().time()
    assert await read_bytes(client, href) == b"pixels"
    assert asyncio.get_running_loop().time() - started >= 1


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        (None, "set `pc_subscription_key` to a subscription key of the Planetary Computer"),
        ("s3cr3t-key", "the limit of the subscription key is reached"),
    ],
)
async def test_rate_limit_of_token_endpoint_names_the_subscription_key(
    key: str | None, advice: str, make_client: MakeClient
) -> None:
    with Origin() as endpoint:
        endpoint.fault("*", Status(429), times=0)
        client = make_client(
            sas_token_endpoint=endpoint.url,
            blob_hosts=["http://blobs.example"],
            subscription_key=key,
            config=Config(http_max_attempts=1),
        )
        with pytest.raises(TokenError) as raised:
            await read_bytes(client, f"http://blobs.example/{ACCOUNT}/naip/a.tif")
    assert advice in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


async def test_broken_token_request_is_retried(make_client: MakeClient) -> None:
    with Origin() as endpoint:
        endpoint.put(f"/{ACCOUNT}/naip", b'{"token": "sig=x"}')
        endpoint.fault("*", Reset(-1), times=3)
        endpoint.fault("*", Truncate(3))
        async with recording_server() as recorder:
            client = make_client(sas_token_endpoint=endpoint.url, blob_hosts=[recorder.url])
            await read_bytes(client, f"{recorder.url}/{ACCOUNT}/naip/a.tif")
            assert recorder.seen[0].query == "sig=x"


async def test_unreachable_token_endpoint_is_a_transient_error(make_client: MakeClient) -> None:
    async with recording_server() as closed:
        endpoint = f"{closed.url}/token"
    client = make_client(sas_token_endpoint=endpoint, blob_hosts=["http://blobs.example"])
    with pytest.raises(TokenError, match=r"127\.0\.0\.1:\d+ issued no SAS token for") as raised:
        await read_bytes(client, f"http://blobs.example/{ACCOUNT}/naip/a.tif")
    assert raised.value.transient


async def test_missing_container_is_requested_once(
    azurite: Azurite, tokens: TokenEndpoint, make_client: MakeClient, tmp_path: Path
) -> None:
    """The error contains the endpoint and the container. The request is not repeated."""
    client = make_client()
    engine = Engine(Clients(Config(), [client]), Config(), LocalDestinations())
    folder = f"{azurite.url}/otheraccount/naip"
    transfers = [file_transfer(f"{folder}/{n}.tif", tmp_path / f"{n}.tif") for n in range(30)]
    outcomes = [outcome async for outcome in engine.run(transfers)]
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
    assert len(errors) == 30
    assert len({id(error) for error in errors}) == 30
    assert {error.message for error in errors if isinstance(error, TokenError)} == {
        f"127.0.0.1:{tokens.port} issued no SAS token for container 'naip' of account "
        f"'otheraccount': 404 for {tokens.url}/otheraccount/naip, and the storage refuses requests "
        "without a token (404)"
    }
    assert len({str(error) for error in errors}) == 30, "each error names its asset"
    assert not any(error.transient for error in errors if isinstance(error, TokenError))
    assert len(tokens.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"token": ""}',
        b'{"token": null}',
        b'{"token": 1}',
        b'{"token": "a b\\r\\nX: y"}',
    ],
)
async def test_response_without_token_is_an_error(body: bytes, make_client: MakeClient) -> None:
    async with recording_server() as endpoint:
        endpoint.body = body
        client = make_client(sas_token_endpoint=endpoint.url, blob_hosts=["http://blobs.example"])
        with pytest.raises(TokenError, match="the response contains no token"):
            await read_bytes(client, f"http://blobs.example/{ACCOUNT}/naip/a.tif")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_public_container_that_endpoint_does_not_know_is_read_without_token(
    status: int, tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    tokens.faults = [(status, {})]
    with Origin() as storage:
        hrefs = [storage.put(f"/{ACCOUNT}/public/{name}", b"pixels") for name in ("a", "b")]
        client = make_client(blob_hosts=[storage.url])
        with collect_notices() as notices:
            assert [await read_bytes(client, href) for href in hrefs] == [b"pixels"] * 2
            await client.assert_href_exists(hrefs[0])
        assert {request.query for request in storage.requests} == {""}
    assert len(tokens.seen) == 1
    assert "container 'public' of account" in notices.lines()[0]


async def test_missing_blob_of_public_container_does_not_exist(
    tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    tokens.faults = [(404, {})]
    with Origin() as storage:
        storage.fault("*", Status(404, headers={"x-ms-error-code": "BlobNotFound"}))
        client = make_client(blob_hosts=[storage.url])
        with pytest.raises(NotFoundError):
            await read_bytes(client, storage.href(f"/{ACCOUNT}/public/a.tif"))


async def test_container_without_public_access_reports_the_token_service(
    tokens: TokenEndpoint, make_client: MakeClient
) -> None:
    with Origin() as storage:
        client = make_client(blob_hosts=[storage.url])
        for status in (401, 403, 404, 409):
            tokens.faults = [(404, {})]
            storage.fault("*", Status(status))
            href = storage.href(f"/{ACCOUNT}/private{status}/a.tif")
            with pytest.raises(TokenError, match=rf"issued no SAS token .* \({status}\)"):
                await read_bytes(client, href)
