"""The reporter of progress messages: content of each message, and behavior of a full queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from yarl import URL

from stac_asset.errors import HrefError, TruncatedError
from stac_asset.messages import (
    ErrorAssetDownload,
    FinishAssetDownload,
    Message,
    OpenUrl,
    SkipAssetDownload,
    StartAssetDownload,
    WriteChunk,
)
from stac_asset.transfer.reporter import Messenger, Reporter
from stac_asset.types import Candidate, Failed, Transfer

CANDIDATE = Candidate("https://example.com/a.tif?sig=secret", "/data/a.tif")
TRANSFER = Transfer("item 'i'", "visual", (CANDIDATE,), "/data", owner_id="i")
SHOWN = "https://example.com/a.tif?…"
PATH = Path("/data/a.tif")
ERROR = TruncatedError("x")
FAILED = Failed("item 'i'", "visual", HrefError("x"))


async def report_all(reporter: Reporter) -> None:
    """Call each method of a reporter."""
    await reporter.started(TRANSFER, CANDIDATE)
    await reporter.opened(CANDIDATE, 9)
    reporter.wrote(CANDIDATE, 5)
    await reporter.finished(TRANSFER, CANDIDATE)
    await reporter.skipped(TRANSFER, CANDIDATE)
    await reporter.failed(TRANSFER, CANDIDATE, ERROR)
    await reporter.refused(FAILED, Path("/data"))


def queued(messages: asyncio.Queue[Message]) -> list[Message]:
    """Return and remove all messages of a queue."""
    return [messages.get_nowait() for _ in range(messages.qsize())]


async def test_messenger_puts_a_message_for_each_step() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    await report_all(Messenger(messages))
    assert queued(messages) == [
        StartAssetDownload("visual", "i", SHOWN, PATH),
        OpenUrl(URL("https://example.com/a.tif"), 9),
        WriteChunk(SHOWN, PATH, 5),
        FinishAssetDownload("visual", SHOWN, PATH),
        SkipAssetDownload("visual", PATH),
        ErrorAssetDownload("visual", SHOWN, PATH, ERROR),
        ErrorAssetDownload("visual", "", Path("/data"), FAILED.error),
    ]


async def test_messages_contain_no_signature() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    await report_all(Messenger(messages))
    assert "secret" not in repr(queued(messages))


async def test_url_of_message_keeps_percent_encoding() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    await Messenger(messages).opened(Candidate("https://example.com/a%7Eb.tif", "/a"), None)
    (message,) = queued(messages)
    assert isinstance(message, OpenUrl)
    assert str(message.url) == "https://example.com/a%7Eb.tif"
    assert message.size is None


async def test_full_queue_drops_messages_about_written_bytes() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=2)
    messenger = Messenger(messages)
    for size in (1, 2, 3):
        messenger.wrote(CANDIDATE, size)
    assert queued(messages) == [WriteChunk(SHOWN, PATH, 1), WriteChunk(SHOWN, PATH, 2)]


async def test_other_messages_wait_for_space_in_queue() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
    messenger = Messenger(messages)
    await messenger.started(TRANSFER, CANDIDATE)
    finishing = asyncio.create_task(messenger.finished(TRANSFER, CANDIDATE))
    await asyncio.sleep(0.01)
    assert not finishing.done()
    assert queued(messages) == [StartAssetDownload("visual", "i", SHOWN, PATH)]
    await finishing
    assert queued(messages) == [FinishAssetDownload("visual", SHOWN, PATH)]


@pytest.mark.parametrize("count", [1, 2000])
async def test_messages_name_the_reported_candidate(count: int) -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messenger = Messenger(messages)
    candidates = [Candidate(f"https://example.com/{n}", f"/data/{n}") for n in range(count)]
    for candidate in candidates * 2:
        messenger.wrote(candidate, 1)
    expected = [WriteChunk(one.href, Path(one.path), 1) for one in candidates]
    assert queued(messages) == expected * 2


async def test_base_reporter_ignores_progress() -> None:
    await report_all(Reporter())
