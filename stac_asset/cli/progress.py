"""A progress bar for the terminal, updated by the messages of a download."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stac_asset.messages import (
    ErrorAssetDownload,
    FinishAssetDownload,
    Message,
    SkipAssetDownload,
    WriteChunk,
)
from stac_asset.types import MessageQueue

_MAX_QUEUED = 1000
"""Maximum number of queued messages. A full queue drops only `WriteChunk` messages."""


def new_queue() -> MessageQueue:
    """Return a queue for the messages that `show_progress` shows."""
    return asyncio.Queue(_MAX_QUEUED)


@asynccontextmanager
async def show_progress(messages: MessageQueue, assets: int) -> AsyncIterator[None]:
    """Show a progress bar on standard error during a download.

    Args:
        messages: The queue of the download, without another reader.
        assets: Number of assets.
    """
    bar = Progress(
        TextColumn("downloading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[received]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=assets, received="")
    received = 0

    def show(message: Message) -> None:
        nonlocal received
        match message:
            case WriteChunk():
                received += message.size
                bar.update(task, received=decimal(received))
            case FinishAssetDownload() | SkipAssetDownload() | ErrorAssetDownload():
                bar.advance(task)

    async def watch() -> None:
        while True:
            show(await messages.get())

    with bar:
        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            while not messages.empty():
                show(messages.get_nowait())
