"""Connections, attempts and regions of the S3 client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, download_item
from stac_asset.clients import Request
from stac_asset.errors import ResponseError, TransferError
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin, Reset, Stall, Status
from stac_asset.types import Storage
from tests.support.s3_buckets import (
    HREF,
    RcloneBucket,
    error_body,
    fetch_object,
    record_created_clients,
    s3_client,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class TestConnections:
    async def test_requests_share_connections_by_endpoint_and_region(
        self, origin: Origin, credentials: None
    ) -> None:
        with Origin() as other:
            storages = [
                None,
                Storage(region="us-west-2"),
                Storage(region="eu-central-1"),
                Storage(endpoint=other.url),
            ]
            async with s3_client(origin) as client:
                created = record_created_clients(client)
                await asyncio.gather(*(fetch_object(client, storage) for storage in storages * 10))
        assert len(created) == 3

    async def test_close_ends_connections(self) -> None:
        ended = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
            await reader.read()
            writer.close()
            ended.set()

        server = await asyncio.start_server(answer, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        endpoint, request = f"http://127.0.0.1:{port}", Request(parse_href(HREF))
        async with server, s3_client(endpoint) as client, client.fetch(request):
            await client.close()
            await asyncio.wait_for(ended.wait(), 240)

    async def test_many_bodies_are_open_concurrently(self, origin: Origin) -> None:
        origin.fault("*", Stall(after=1000), times=0)
        async with s3_client(origin) as client:
            for number in range(60):
                origin.put(f"/bucket/{number}", size=2000)
            responses = [
                client.fetch(Request(parse_href(f"s3://bucket/{number}"))) for number in range(60)
            ]
            await asyncio.gather(*(response.__aenter__() for response in responses))
            assert origin.in_flight == 60
            for response in responses:
                await response.__aexit__(None, None, None)

    async def test_downloads_of_item_share_connections(
        self, rclone: RcloneBucket, credentials: None, tmp_path: Path, config: Config
    ) -> None:
        item = pystac.Item("item", None, None, NOW, {})
        expected = {f"{number:02}.bin": bytes([number]) * 1000 for number in range(50)}
        for name, data in expected.items():
            item.add_asset(name, pystac.Asset(rclone.put(f"many/{name}", data)))
        async with s3_client(rclone) as client:
            created = record_created_clients(client)
            await download_item(item, tmp_path / "a", config=config, clients=[client])
            await download_item(item, tmp_path / "b", config=config, clients=[client])
        assert len(created) == 1
        config.s3_endpoint_url = rclone.endpoint
        await download_item(item, tmp_path / "c", config=config)
        for folder in "abc":
            read = {p.name: p.read_bytes() for p in (tmp_path / folder).glob("*.bin")}
            assert read == expected

    async def test_storage_extension_of_item_is_used(
        self, origin: Origin, tmp_path: Path, credentials: None, config: Config
    ) -> None:
        scheme = {"type": "custom-s3", "platform": origin.url, "region": "eu-de"}
        item = pystac.Item("item", None, None, NOW, {})
        item.properties["storage:schemes"] = {"store": scheme}
        item.add_asset("a", pystac.Asset(HREF, extra_fields={"storage:refs": ["store"]}))
        await download_item(item, tmp_path, config=config)
        assert (tmp_path / "a.bin").read_bytes() == origin.content("/bucket/a.bin")
        assert "authorization" not in origin.gets()[0].headers


class TestAttempts:
    @pytest.mark.parametrize("mode", ["adaptive", "standard", "legacy"])
    async def test_botocore_retries_failed_request(self, mode: str, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Status(503, body=error_body("SlowDown")))
        async with s3_client(origin, max_attempts=2, retry_mode=mode) as client:
            await fetch_object(client)
        assert [request.status for request in origin.gets()] == [503, 200]

    async def test_botocore_retries_broken_connection(self, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Reset(-1))
        async with s3_client(origin, max_attempts=2) as client:
            await fetch_object(client)
        assert len(origin.gets()) == 2

    async def test_attempts_of_botocore_and_engine_add_up(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Status(503, body=error_body("SlowDown")), times=0)
        config.s3_endpoint_url, config.s3_retry_mode = origin.url, "standard"
        config.s3_max_attempts, config.http_max_attempts = 3, 4
        item = pystac.Item("item", None, None, NOW, {})
        item.add_asset("a", pystac.Asset(HREF))
        config.fail_fast = True
        with pytest.raises(ResponseError, match=r"503 SlowDown for s3://bucket/a\.bin"):
            await download_item(item, tmp_path, config=config)
        assert len(origin.gets()) == 3 + (4 - 1)

    async def test_success_resets_attempts(self, origin: Origin) -> None:
        slow = Status(503, body=error_body("SlowDown"))
        async with s3_client(origin, max_attempts=2) as client:
            origin.fault("/bucket/a.bin", slow, times=2)
            with pytest.raises(ResponseError):
                await fetch_object(client)
            await fetch_object(client)
            origin.fault("/bucket/a.bin", slow)
            await fetch_object(client)
        assert [request.status for request in origin.gets()] == [503, 503, 200, 503, 200]


class TestRegions:
    @pytest.mark.parametrize(
        "answer",
        [
            Status(301, headers={"x-amz-bucket-region": "eu-west-3"}, body=error_body("Any")),
            Status(301, body=error_body("PermanentRedirect", "<Region>eu-west-3</Region>")),
            Status(
                400, body=error_body("AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>")
            ),
        ],
    )
    async def test_region_from_response_is_used(
        self, answer: Status, origin: Origin, credentials: None
    ) -> None:
        origin.fault("/bucket/a.bin", answer)
        async with s3_client(origin) as client:
            await fetch_object(client)
            await fetch_object(client)
        regions = [r.headers["authorization"].split("/")[2] for r in origin.gets()]
        assert regions == ["us-west-2", "eu-west-3", "eu-west-3"]

    async def test_redirect_without_region_is_an_error(self, origin: Origin) -> None:
        origin.fault("*", Status(301, body=error_body("PermanentRedirect")), times=0)
        async with s3_client(origin) as client:
            with pytest.raises(
                TransferError, match=r"which S3 did not report \(PermanentRedirect\)"
            ):
                await fetch_object(client)
