"""A fault that passes is retried around the whole transfer; one that stays is not."""

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
from stac_asset.transfer.retry import wait_after
from tests.make_item import item_document

TRANSIENT: list[Fault] = [
    Truncate(1000),
    Reset(1000),
    Reset(-1),
    Stall(after=1000),
    WrongLength(delta=100),
    *(Status(status) for status in (408, 425, 429, 500, 502, 503, 504, 507, 509, 511, 520, 599)),
]


def patience(fault: Fault) -> float:
    """Returns seconds of silence that end an attempt, and only where the fault is silent."""
    return 2 if isinstance(fault, Stall) else 60


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
async def test_transient_fault_is_retried_until_it_passes(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault
) -> None:
    config.http_read_timeout = patience(fault)
    href = origin.put("/a.tif", size=50_000)
    origin.fault("/a.tif", fault, times=2)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert len(origin.gets("/a.tif")) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Truncate(1000), TruncatedError),
        (Reset(1000), (ConnectionFailedError, TruncatedError)),
        (Stall(after=1000), StalledError),
        (Status(503), ResponseError),
    ],
    ids=str,
)
async def test_transient_fault_that_stays_fails_after_the_attempts(
    origin: Origin, tmp_path: Path, config: Config, fault: Fault, kind: type[Exception]
) -> None:
    config.http_read_timeout, config.http_max_attempts = patience(fault), 3
    href = origin.put("/a.tif", size=50_000)
    origin.fault("/a.tif", fault, times=0)
    with pytest.raises(kind, match=r"a\.tif"):
        await download_file(href, tmp_path / "a.tif", config)
    assert len(origin.gets("/a.tif")) == 3
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451, 501, 505])
async def test_permanent_answer_fails_at_once(
    origin: Origin, tmp_path: Path, config: Config, status: int
) -> None:
    origin.fault("/a.tif", Status(status), times=0)
    with pytest.raises(ResponseError, match=str(status)) as caught:
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert isinstance(caught.value, FileNotFoundError) == (status in (404, 410))
    assert isinstance(caught.value, PermissionError) == (status in (401, 403))
    assert len(origin.gets("/a.tif")) == 1


async def test_wrong_content_type_fails_at_once(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", content_type="text/html")
    document = item_document(origin, "a")
    document["assets"]["a"]["type"] = "image/tiff"
    item = stac_of(document, origin.href("/item.json"), "item")
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert isinstance(caught.value.exceptions[0], ContentTypeError)
    assert len(origin.gets("/a.tif")) == 1


async def test_wrong_size_fails_at_once(origin: Origin, tmp_path: Path, config: Config) -> None:
    origin.put("/a.tif", size=1000)
    document = item_document(origin, "a")
    document["assets"]["a"]["file:size"] = 1001
    item = stac_of(document, origin.href("/item.json"), "item")
    with pytest.raises(DownloadError) as caught:
        await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert isinstance(caught.value.exceptions[0], SizeError)
    assert "1000 bytes, but file:size declares 1001" in str(caught.value)
    assert len(origin.gets("/a.tif")) == 1
    assert not (tmp_path / "a.tif").exists()


async def test_refused_connection_is_retried(tmp_path: Path, config: Config) -> None:
    config.http_max_attempts, config.retry_wait, config.retry_wait_max = 1000, 0.05, 0.05
    # Bound, and not listening: the port is refused, and nobody else's.
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


async def test_unknown_host_is_retried_and_named(tmp_path: Path, config: Config) -> None:
    config.http_max_attempts = 2
    with pytest.raises(ConnectionFailedError, match=r"https://no-such-host\.invalid/a\.tif"):
        await download_file("https://no-such-host.invalid/a.tif", tmp_path / "a.tif", config)


def _in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("kind", ["seconds", "date"])
async def test_retry_after_is_waited_for(
    origin: Origin, tmp_path: Path, config: Config, kind: str
) -> None:
    config.retry_wait, config.retry_wait_max = 0.0, 10.0
    loop = asyncio.get_running_loop()
    started = loop.time()
    asked = "1" if kind == "seconds" else _in(2)  # A date has whole seconds.
    origin.fault("/a.tif", Status(429, retry_after=asked))
    await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert loop.time() - started >= 0.9


@pytest.mark.parametrize("asked", ["86400", "tomorrow", "-5", "soon", "1e9", "nan"])
async def test_retry_after_is_capped_and_nonsense_ignored(
    origin: Origin, tmp_path: Path, config: Config, asked: str
) -> None:
    asked = _in(86400) if asked == "tomorrow" else asked
    origin.fault("/a.tif", Status(503, retry_after=asked))
    async with asyncio.timeout(240):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)


def test_waits_grow_with_full_jitter_and_are_capped() -> None:
    config = Config(retry_wait=1.0, retry_wait_max=20.0, http_max_attempts=9)
    error = TruncatedError("again")
    waits = [[wait_after(config, attempt, error) for _ in range(200)] for attempt in range(1, 9)]
    for index, of_one in enumerate(waits):
        ceiling = min(20.0, 2.0**index)
        assert max(of_one) <= ceiling
        assert min(of_one) < 0.2 * ceiling
        assert max(of_one) > 0.8 * ceiling


async def test_total_timeout_limits_an_attempt(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=500_000)
    origin.fault("/a.tif", Slow(bytes_per_second=30_000), times=1)
    config.http_client_timeout = 4.0
    await download_file(href, tmp_path / "a.tif", config)
    first, *_, last = origin.gets("/a.tif")
    assert 0 < first.body_sent < 500_000
    assert last.range is not None


async def test_total_timeout_does_not_count_the_wait_in_our_queue(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    keys = [f"a{number}" for number in range(8)]
    item = stac_of(item_document(origin, *keys), origin.href("/item.json"), "item")
    origin.fault("/*", Delay(0.6), times=0)
    config.http_client_timeout, config.http_max_attempts = 4.0, 1
    config.max_connections_per_host = 1
    # One after the other they take 4.8 seconds, so that the last waits longer than its limit.
    new = await download_item(item, tmp_path, config=config)  # type: ignore[arg-type]
    assert len(new.assets) == 8
    assert origin.in_flight_max == 1


async def test_file_without_announced_length_arrives(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=300_000)
    origin.fault("/a.tif", Chunked(), times=0)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_encoded_file_is_stored_as_it_is(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=10_000)
    origin.fault("/a.tif", Gzip(force=True), times=0)
    await download_file(href, tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes().startswith(b"\x1f\x8b")
    assert origin.gets("/a.tif")[0].headers["accept-encoding"] == "identity"


async def test_missing_file_is_a_file_not_found(tmp_path: Path, config: Config) -> None:
    with pytest.raises(NotFoundError, match=r"File .* does not exist"):
        await download_file(str(tmp_path / "gone.tif"), tmp_path / "a.tif", config)
