"""Tells how transfers go on: what the engine calls, and what makes messages of that."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from yarl import URL

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

_NAMED = 1024
"""Candidates whose names are kept while there may be more to say of them."""


class Reporter:
    """Is told how transfers go on; this one tells nobody."""

    async def started(self, transfer: Transfer, candidate: Candidate) -> None:
        """A candidate of a transfer is about to be fetched."""

    async def opened(self, candidate: Candidate, size: int | None) -> None:
        """Its source has answered, and said how many bytes the whole file has, if it knows."""

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Some more bytes are in its part file."""

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Its file is in its place."""

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Its file was there already."""

    async def failed(self, transfer: Transfer, candidate: Candidate, error: Exception) -> None:
        """A transfer has failed, all its candidates tried."""

    async def refused(self, failed: Failed, directory: Path) -> None:
        """An asset of which there is no transfer, as none could be planned, has failed."""


class Messenger(Reporter):
    """Puts a message for each of it into a queue.

    Args:
        messages: The queue. A full one loses the messages of written bytes, and no others.
    """

    def __init__(self, messages: MessageQueue) -> None:
        self._messages = messages
        self._names = lru_cache(_NAMED)(_names)

    async def started(self, transfer: Transfer, candidate: Candidate) -> None:
        """Puts a `StartAssetDownload`."""
        names = self._names(candidate)
        await self._messages.put(StartAssetDownload(transfer.key, transfer.owner_id, *names))

    async def opened(self, candidate: Candidate, size: int | None) -> None:
        """Puts an `OpenUrl`."""
        shown = self._names(candidate)[0].removesuffix("?…")
        await self._messages.put(OpenUrl(url=URL(shown, encoded=True), size=size))

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Puts a `WriteChunk`."""
        if not self._messages.full():
            self._messages.put_nowait(WriteChunk(*self._names(candidate), size))

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Puts a `FinishAssetDownload`."""
        await self._messages.put(FinishAssetDownload(transfer.key, *self._names(candidate)))

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Puts a `SkipAssetDownload`."""
        await self._messages.put(SkipAssetDownload(transfer.key, Path(candidate.path)))

    async def failed(self, transfer: Transfer, candidate: Candidate, error: Exception) -> None:
        """Puts an `ErrorAssetDownload`."""
        names = self._names(candidate)
        await self._messages.put(ErrorAssetDownload(transfer.key, *names, error))

    async def refused(self, failed: Failed, directory: Path) -> None:
        """Puts an `ErrorAssetDownload`."""
        await self._messages.put(ErrorAssetDownload(failed.key, "", directory, failed.error))


def _names(candidate: Candidate) -> tuple[str, Path]:
    """Returns what messages say of a candidate: its href, as it may be shown, and its file."""
    return redact_href(candidate.href), Path(candidate.path)
