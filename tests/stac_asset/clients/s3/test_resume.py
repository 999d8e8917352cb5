"""Downloads that the S3 client resumes or restarts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, download_item
from stac_asset.clients import Request
from stac_asset.hrefs import parse_href
from stac_asset.testing import Changed, IgnoreRange, Origin, Reset, Truncate, WrongRange
from tests.support.s3_buckets import HREF, fetch_object, s3_client

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 300_000


class TestResume:
    @pytest.fixture(autouse=True)
    def _put_object(self, origin: Origin) -> None:
        origin.put("/bucket/a.bin", size=SIZE)

    async def _download(self, origin: Origin, path: Path, config: Config) -> None:
        config.s3_endpoint_url, config.s3_max_attempts = origin.url, 2
        item = pystac.Item("item", None, None, NOW, {})
        item.add_asset("a", pystac.Asset(HREF))
        await download_item(item, path, config=config)
        assert (path / "a.bin").read_bytes() == origin.content("/bucket/a.bin")

    @pytest.mark.parametrize("fault", [Truncate(200_000), Reset(200_000)])
    async def test_interrupted_download_is_resumed(
        self, fault: Truncate | Reset, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", fault)
        await self._download(origin, tmp_path, config)
        first, second = origin.gets()
        assert first.range is None
        start = int((second.range or "")[len("bytes=") : -1])
        assert 64 * 1024 <= start <= 200_000
        assert second.headers["if-match"].startswith('"')
        assert second.body_sent == SIZE - start

    async def test_changed_object_restarts_download(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Truncate(200_000))
        origin.fault("/bucket/a.bin", Changed())
        await self._download(origin, tmp_path, config)
        assert [request.status for request in origin.gets()] == [200, 412, 200]

    async def test_service_without_ranges_restarts_download(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Truncate(200_000))
        origin.fault("/bucket/a.bin", IgnoreRange())
        await self._download(origin, tmp_path, config)
        assert [request.status for request in origin.gets()] == [200, 200]

    async def test_wrong_range_restarts_download(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        origin.fault("/bucket/a.bin", Truncate(200_000))
        origin.fault("/bucket/a.bin", WrongRange(-1000))
        await self._download(origin, tmp_path, config)
        assert [request.status for request in origin.gets()] == [200, 206, 200]

    async def test_offset_at_end_restarts_download(self, origin: Origin) -> None:
        async with s3_client(origin) as client:
            async with client.fetch(Request(parse_href(HREF))) as response:
                validator = response.validator
            offset, data = await fetch_object(client, offset=SIZE, validator=validator)
        assert (offset, data) == (0, origin.content("/bucket/a.bin"))
        assert [request.status for request in origin.gets()] == [200, 416, 200]
