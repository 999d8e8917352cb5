"""The progress interface of the engine, and an implementation that sends messages.

The engine calls a `Reporter` at each step of a transfer. `Messenger` puts messages into the queue
of the caller. The flows have a reporter for statistics.
"""

from __future__ import annotations

import inspect
from functools import lru_cache

from yarl import URL

from stac_asset.destinations.location import Location, parsed_location
from stac_asset.errors import ConfigError
from stac_asset.messages import (
    ErrorAssetDownload,
    FinishAssetDownload,
    OpenUrl,
    SkipAssetDownload,
    StartAssetDownload,
    WriteChunk,
)
from stac_asset.redact import redact_href
from stac_asset.types import Candidate, Failed, MessageQueue, Transfer

_MAX_CACHED = 1024
"""Maximum number of candidates with a cached redacted href and path."""


class Reporter:
    """Receives and ignores the progress of transfers. Subclasses override methods."""

    async def started(self, transfer: Transfer, candidate: Candidate) -> None:
        """Handle the start of a candidate, before the first request.

        Args:
            transfer: The transfer.
            candidate: The candidate to download.
        """

    async def opened(self, candidate: Candidate, size: int | None) -> None:
        """Handle the response of the source of a candidate.

        Args:
            candidate: The candidate.
            size: Size of the complete file in bytes, if reported.
        """

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Handle bytes that were written to the destination.

        Args:
            candidate: The candidate.
            size: Number of bytes.
        """

    def retried(self, candidate: Candidate, reason: str) -> None:
        """Handle the start of an attempt after a failed attempt.

        Args:
            candidate: The candidate.
            reason: The kind of the error, see `retry.retry_reason`.
        """

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Handle a downloaded and verified file that has its final name.

        Args:
            transfer: The transfer.
            candidate: The downloaded candidate.
        """

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Handle a transfer that was skipped because the file exists and is valid.

        Args:
            transfer: The transfer.
            candidate: The candidate of the existing file.
        """

    async def failed(self, transfer: Transfer, candidate: Candidate, error: Exception) -> None:
        """Handle a transfer after all candidates have failed.

        Args:
            transfer: The transfer.
            candidate: The preferred candidate.
            error: The error of the transfer.
        """

    async def refused(self, failed: Failed, directory: Location) -> None:
        """Handle an asset that failed because no transfer could be planned.

        Args:
            failed: The failure.
            directory: The directory of the run.
        """


class Messenger(Reporter):
    """Puts a message about each step into a queue.

    Args:
        messages: The queue. If the queue is full, messages about written bytes are dropped, and
            other messages wait.

    Raises:
        ConfigError: The queue is not an asyncio queue.
    """

    def __init__(self, messages: MessageQueue) -> None:
        if not inspect.iscoroutinefunction(getattr(messages, "put", None)):
            raise ConfigError(
                f"`messages` must be an `asyncio.Queue`, not {type(messages).__name__}. Use "
                "`messages=asyncio.Queue()`."
            )
        self._messages = messages
        self._names = lru_cache(_MAX_CACHED)(_names)

    async def started(self, transfer: Transfer, candidate: Candidate) -> None:
        """Put the message `StartAssetDownload` into the queue."""
        names = self._names(candidate)
        await self._messages.put(StartAssetDownload(transfer.key, transfer.owner_id, *names))

    async def opened(self, candidate: Candidate, size: int | None) -> None:
        """Put the message `OpenUrl` into the queue."""
        shown = self._names(candidate)[0].removesuffix("?…")
        await self._messages.put(OpenUrl(url=URL(shown, encoded=True), size=size))

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Put the message `WriteChunk` into the queue."""
        if not self._messages.full():
            self._messages.put_nowait(WriteChunk(*self._names(candidate), size))

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Put the message `FinishAssetDownload` into the queue."""
        await self._messages.put(FinishAssetDownload(transfer.key, *self._names(candidate)))

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Put the message `SkipAssetDownload` into the queue."""
        await self._messages.put(SkipAssetDownload(transfer.key, parsed_location(candidate.path)))

    async def failed(self, transfer: Transfer, candidate: Candidate, error: Exception) -> None:
        """Put the message `ErrorAssetDownload` into the queue."""
        names = self._names(candidate)
        await self._messages.put(ErrorAssetDownload(transfer.key, *names, error))

    async def refused(self, failed: Failed, directory: Location) -> None:
        """Put the message `ErrorAssetDownload` into the queue."""
        await self._messages.put(ErrorAssetDownload(failed.key, "", directory, failed.error))


def _names(candidate: Candidate) -> tuple[str, Location]:
    """Return the redacted href and the path of a candidate, for messages."""
    return redact_href(candidate.href), parsed_location(candidate.path)
