"""GET requests of the S3 client: clock, credentials, retries, redirects and directory buckets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web

from stac_asset.clients import Request
from stac_asset.errors import AccessError, ResponseError, TransferError
from stac_asset.hrefs import parse_href
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Redirect, Status
from tests.support.client_reads import read_bytes
from tests.support.loopback import ReceivedRequest, serve_handler
from tests.support.s3_buckets import HREF, error_body, fetch_object, s3_client

BODY = b"pixels"
AHEAD = timedelta(hours=3)


@asynccontextmanager
async def serve_skewed(
    seen: list[ReceivedRequest], clock: Callable[[], datetime]
) -> AsyncIterator[str]:
    """Run a service that refuses signatures of another time."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(ReceivedRequest.of(request))
        now = clock()
        headers = {"Date": format_datetime(now, usegmt=True), "ETag": '"1"'}
        signed = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        if abs(now - signed) > timedelta(minutes=15):
            body = b"" if request.method == "HEAD" else error_body("RequestTimeTooSkewed")
            return web.Response(status=403, headers=headers, body=body)
        return web.Response(body=BODY, headers=headers)

    async with serve_handler(answer) as port:
        yield f"http://127.0.0.1:{port}"


class TestClock:
    async def test_time_of_the_service_is_used(self, credentials: None) -> None:
        seen: list[ReceivedRequest] = []
        async with (
            serve_skewed(seen, lambda: datetime.now(UTC) + AHEAD) as url,
            s3_client(url) as client,
        ):
            with collect_notices() as notices:
                assert await fetch_object(client) == (0, BODY)
                assert await fetch_object(client) == (0, BODY)
        assert len(seen) == 3
        [line] = notices.lines()
        assert "clock of this machine differs" in line

    async def test_concurrent_requests_are_repeated(self, credentials: None) -> None:
        seen: list[ReceivedRequest] = []
        async with (
            serve_skewed(seen, lambda: datetime.now(UTC) - AHEAD) as url,
            s3_client(url) as client,
        ):
            found = await asyncio.gather(*(fetch_object(client) for _ in range(8)))
        assert found == [(0, BODY)] * 8

    async def test_existence_check_uses_the_time_of_the_service(self, credentials: None) -> None:
        async with (
            serve_skewed([], lambda: datetime.now(UTC) + AHEAD) as url,
            s3_client(url, requester_pays=True) as client,
        ):
            assert (await client.stat(Request(parse_href(HREF)))).size == len(BODY)

    async def test_service_without_a_steady_clock_is_refused(self, credentials: None) -> None:
        seen: list[ReceivedRequest] = []
        async with (
            serve_skewed(seen, lambda: datetime.now(UTC) + AHEAD * len(seen)) as url,
            s3_client(url, requester_pays=True) as client,
        ):
            with pytest.raises(AccessError, match="RequestTimeTooSkewed"):
                await fetch_object(client)
        assert len(seen) == 2


async def test_expiring_credentials_are_renewed(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued, log = tmp_path / "issued", tmp_path / "log"
    log.touch()
    (tmp_path / "config").write_text(f"[profile x]\ncredential_process = cat {issued}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "x")
    expiration = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    async with s3_client(origin) as client:
        for token in ("first", "second"):
            key = {"AccessKeyId": f"KEY{token}", "SecretAccessKey": "s", "SessionToken": token}
            issued.write_text(json.dumps({"Version": 1, "Expiration": expiration, **key}))
            await fetch_object(client)
    assert [request.headers["x-amz-security-token"] for request in origin.gets()] == [
        "first",
        "second",
    ]
    assert "KEYsecond/" in origin.gets()[1].headers["authorization"]


class TestRetries:
    async def test_each_attempt_has_a_new_signature(
        self, origin: Origin, session_token: None
    ) -> None:
        origin.fault("/bucket/a.bin", Status(503, body=error_body("SlowDown")))
        async with s3_client(origin, max_attempts=2) as client:
            await fetch_object(client)
        assert all("authorization" in request.headers for request in origin.gets())
        assert len(origin.gets()) == 2

    @pytest.mark.parametrize("mode", ["adaptive", "standard", "legacy"])
    async def test_attempts_are_limited(self, mode: str, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Status(500, body=error_body("InternalError")), times=0)
        async with s3_client(origin, max_attempts=3, retry_mode=mode) as client:
            with pytest.raises(ResponseError, match="500 InternalError"):
                await fetch_object(client)
        assert len(origin.gets()) == 3

    @pytest.mark.parametrize("mode", ["adaptive", "standard", "legacy"])
    async def test_permanent_error_is_not_retried(self, mode: str, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Status(400, body=error_body("InvalidRequest")), times=0)
        async with s3_client(origin, max_attempts=3, retry_mode=mode) as client:
            with pytest.raises(ResponseError):
                await fetch_object(client)
        assert len(origin.gets()) == 1

    async def test_adaptive_mode_limits_the_rate_after_throttling(self, origin: Origin) -> None:
        async with s3_client(origin, retry_mode="adaptive", max_attempts=2) as client:
            await fetch_object(client)
            [connection] = client._sender._connections._connections.values()
            limiter = connection.reader._limiter
            assert limiter is not None
            assert not limiter._enabled
            origin.fault("/bucket/a.bin", Status(503, body=error_body("SlowDown")))
            await fetch_object(client)
            assert limiter._enabled

    async def test_long_error_document_is_cut_off(self, origin: Origin) -> None:
        document = error_body("InvalidRequest", f"<Message>{'x' * 1_000_000}</Message>")
        origin.fault("/bucket/a.bin", Status(400, body=document))
        async with s3_client(origin) as client:
            with pytest.raises(ResponseError, match="400"):
                await fetch_object(client)
            await fetch_object(client)


class TestRedirects:
    async def test_bucket_of_other_region_is_signed_anew(
        self, origin: Origin, session_token: None
    ) -> None:
        body = error_body("PermanentRedirect", "<Region>eu-west-3</Region>")
        origin.fault("/bucket/a.bin", Status(301, body=body))
        async with s3_client(origin) as client:
            await asyncio.gather(*(fetch_object(client) for _ in range(4)))
            await fetch_object(client)
        last = origin.gets()[-1]
        assert "/eu-west-3/s3/" in last.headers["authorization"]

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_signature_and_token_are_not_sent_to_another_host(
        self, status: int, origin: Origin, session_token: None
    ) -> None:
        with Origin() as other:
            location = other.href("/bucket/a.bin")
            origin.fault("/bucket/a.bin", Redirect(location, status), times=0)
            async with s3_client(origin, max_attempts=3) as client:
                with pytest.raises(TransferError):
                    await fetch_object(client)
            assert not other.requests


_SESSION = (
    '<?xml version="1.0"?><CreateSessionResult '
    'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials><SessionToken>T0KEN'
    "</SessionToken><SecretAccessKey>S</SecretAccessKey><AccessKeyId>K3Y</AccessKeyId>"
    "<Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>"
)


async def test_directory_bucket_is_read_with_a_session(credentials: None) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html"""
    seen: list[ReceivedRequest] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(ReceivedRequest.of(request))
        if "session" in request.query_string:
            return web.Response(text=_SESSION, content_type="application/xml")
        return web.Response(body=BODY, headers={"ETag": '"1"'})

    async with serve_handler(answer) as port, s3_client(f"http://127.0.0.1:{port}") as client:
        assert await read_bytes(client, "s3://data--usw2-az1--x-s3/a.bin") == BODY
    session, read = seen
    assert session.query == "session"
    assert read.headers["x-amz-s3session-token"] == "T0KEN"
    assert "Credential=K3Y/" in read.headers["authorization"]
    assert "/s3express/" in read.headers["authorization"]
