"""Retries of whole transfers: transient faults, permanent faults and timeouts."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from stac_asset import Config, ContentTypeError, download_file, download_item
from stac_asset.errors import (
    ConnectionFailedError,
    DownloadError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    SizeError,
    StalledError,
    TruncatedError,
)
from stac_asset.stac.parse import stac_of
from stac_asset.testing import (
    Chunked,
    Delay,
    Fault,
    Gzip,
    Origin,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    WrongLength,
)
from tests.support.items import item_document

TRANSIENT: list[Fault] = [
    Truncate(1000),
    Reset(1000),
    Reset(-1),
    Stall(after=1000),
    WrongLength(delta=100),
    *(Status(status) for status in (408, 425, 429, 500, 502, 503, 504, 507, 509, 511, 520, 599)),
]


def read_timeout(fault: Fault) -> float:
    """Return a read timeout in seconds, which is short only for a fault that stalls."""
    return 2 if isinstance(fault, Stall) else 60


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
async def test_transient_fault_is_retried(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault
) -> None:
    config.http_read_timeout = read_timeout(fault)
    href = origin.put("/a.tif", size=50_000)
    origin.fault("/a.tif", fault, times=2)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert len(origin.gets("/a.tif")) == 3


@pytest.mark.parametrize(
    ("fault", "error_type"),
    [
        (Truncate(1000), TruncatedError),
        (Reset(1000), (ConnectionFailedError, TruncatedError)),
        (Stall(after=1000), StalledError),
        (Status(503), ResponseError),
    ],
    ids=str,
)
async def test_repeated_transient_fault_fails_after_last_attempt(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault, error_type: type[Exception]
) -> None:
    config.http_read_timeout, config.http_max_attempts = read_timeout(fault), 3
    href = origin.put("/a.tif", size=50_000)
    origin.fault("/a.tif", fault, times=0)
    with pytest.raises(error_type, match=r"a\.tif"):
        await download_file(href, tmp_path / "a.tif", config)
    assert len(origin.gets("/a.tif")) == 3
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451, 501, 505])
async def test_permanent_status_is_not_retried(
    origin: Origin, tmp_path: Path, config: Config, status: int
) -> None:
    origin.fault("/a.tif", Status(status), times=0)
    with pytest.raises(ResponseError, match=str(status)) as raised:
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert isinstance(raised.value, FileNotFoundError) == (status in (404, 410))
    assert isinstance(raised.value, PermissionError) == (status in (401, 403))
    assert len(origin.gets("/a.tif")) == 1


async def test_wrong_content_type_is_not_retried(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", content_type="text/html")
    document = item_document(origin, "a")
    document["assets"]["a"]["type"] = "image/tiff"
    item = stac_of(document, origin.href("/item.json"), "item")
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert isinstance(raised.value.exceptions[0], ContentTypeError)
    assert len(origin.gets("/a.tif")) == 1


async def test_wrong_size_is_not_retried(origin: Origin, tmp_path: Path, config: Config) -> None:
    origin.put("/a.tif", size=1000)
    document = item_document(origin, "a")
    document["assets"]["a"]["file:size"] = 1001
    item = stac_of(document, origin.href("/item.json"), "item")
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert isinstance(raised.value.exceptions[0], SizeError)
    assert "1000 bytes, but file:size declares 1001" in str(raised.value)
    assert len(origin.gets("/a.tif")) == 1
    assert not (tmp_path / "a.tif").exists()


async def test_refused_connection_is_retried(tmp_path: Path, config: Config) -> None:
    config.http_max_attempts, config.retry_wait, config.retry_wait_max = 1000, 0.05, 0.05
    # A bound socket that does not listen refuses connections, and reserves the port.
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        running = asyncio.create_task(
            download_file(f"http://127.0.0.1:{port}/a.tif", tmp_path / "a.tif", config)
        )
        await asyncio.sleep(0.3)
        assert not running.done()
        with Origin(port=port) as origin:
            await running
            assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_error_of_unknown_host_contains_href(tmp_path: Path, config: Config) -> None:
    config.http_max_attempts = 2
    with pytest.raises(ConnectionFailedError, match=r"https://no-such-host\.invalid/a\.tif"):
        await download_file("https://no-such-host.invalid/a.tif", tmp_path / "a.tif", config)


def http_date_in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_delays_next_attempt(
    origin: Origin, tmp_path: Path, config: Config, form: str
) -> None:
    config.retry_wait, config.retry_wait_max = 0.0, 10.0
    loop = asyncio.get_running_loop()
    started = loop.time()
    # The resolution of a date is one second.
    retry_after = "1" if form == "seconds" else http_date_in(2)
    origin.fault("/a.tif", Status(429, retry_after=retry_after))
    await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert loop.time() - started >= 0.9


@pytest.mark.parametrize("retry_after", ["86400", "in-a-day"])
async def test_wait_of_a_day_fails_immediately(
    origin: Origin, tmp_path: Path, config: Config, retry_after: str
) -> None:
    retry_after = http_date_in(86400) if retry_after == "in-a-day" else retry_after
    origin.fault("/a.tif", Status(503, retry_after=retry_after))
    with pytest.raises(RateLimitError, match="exceeds `host_wait_max`"):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert len(origin.gets("/a.tif")) == 1


@pytest.mark.parametrize("retry_after", ["-5", "soon", "1e9", "nan"])
async def test_invalid_retry_after_does_not_delay_download(
    origin: Origin, tmp_path: Path, config: Config, retry_after: str
) -> None:
    origin.fault("/a.tif", Status(503, retry_after=retry_after))
    async with asyncio.timeout(240):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)


async def test_total_timeout_ends_attempt(origin: Origin, tmp_path: Path, config: Config) -> None:
    href = origin.put("/a.tif", size=500_000)
    origin.fault("/a.tif", Slow(bytes_per_second=30_000), times=1)
    config.http_client_timeout = 4.0
    await download_file(href, tmp_path / "a.tif", config)
    first, *_, last = origin.gets("/a.tif")
    assert 0 < first.body_sent < 500_000
    assert last.range is not None


async def test_total_timeout_excludes_wait_for_connection_slot(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    keys = [f"a{number}" for number in range(8)]
    item = stac_of(item_document(origin, *keys), origin.href("/item.json"), "item")
    origin.fault("/*", Delay(0.6), times=0)
    config.http_client_timeout, config.http_max_attempts = 4.0, 1
    config.max_connections_per_host = 1
    # In sequence, the downloads take 4.8 seconds. The last one waits longer than the timeout.
    new = await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert len(new.assets) == 8
    assert origin.in_flight_max == 1


async def test_chunked_response_is_downloaded(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=300_000)
    origin.fault("/a.tif", Chunked(), times=0)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_gzip_response_is_stored_without_decompression(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=10_000)
    origin.fault("/a.tif", Gzip(force=True), times=0)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes().startswith(b"\x1f\x8b")
    assert origin.gets("/a.tif")[0].headers["accept-encoding"] == "identity"


async def test_missing_local_file_raises_not_found_error(tmp_path: Path, config: Config) -> None:
    with pytest.raises(NotFoundError, match=r"File .* does not exist"):
        await download_file(str(tmp_path / "gone.tif"), tmp_path / "a.tif", config)
