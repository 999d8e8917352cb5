"""Fetches one candidate into its part file: the attempts, and what ends each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from yarl import URL

from stac_asset.clients.base import Client, Request, Response
from stac_asset.clients.mapping import mapped_errors
from stac_asset.config import Config
from stac_asset.errors import ChecksumError, SizeError, StalledError
from stac_asset.files import PartFile
from stac_asset.messages import OpenUrl, WriteChunk
from stac_asset.redact import redact_href
from stac_asset.retry import is_transient, retrying
from stac_asset.types import Candidate, Downloaded, MessageQueue, Transfer

_OFF_LOOP = 256 * 1024
"""Writes of this many bytes and more leave the event loop alone."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class Tally:
    """What one transfer has cost so far, all its candidates together."""

    started: float = field(default_factory=time.monotonic)
    attempts: int = 0
    received: int = 0

    @property
    def seconds(self) -> float:
        """Wall time since the beginning."""
        return time.monotonic() - self.started


@dataclass(slots=True)
class Fetch:
    """The transfer of one candidate into an open part file."""

    part: PartFile
    client: Client
    url: URL
    transfer: Transfer
    candidate: Candidate
    config: Config
    messages: MessageQueue | None
    stream: bool | None
    tally: Tally

    async def run(self) -> Downloaded:
        """Fetches, verifies and commits the file, in as many attempts as that may take.

        A part file that a later run can continue stays after an error; one that it cannot,
        because the error is final, is removed.

        Raises:
            StacAssetError: Why it could not be had.
        """
        try:
            async for attempt in retrying(self.config):
                with attempt:
                    self.tally.attempts += 1
                    checksum = await self._attempt()
        except Exception as error:
            if self.config.clean and not is_transient(error):
                self.part.drop()
            raise
        return Downloaded(
            transfer=self.transfer,
            candidate=self.candidate,
            size=self.part.offset,
            received=self.tally.received,
            seconds=self.tally.seconds,
            attempts=self.tally.attempts,
            checksum=checksum,
        )

    async def _attempt(self) -> str | None:
        continued = self.part.offset
        await self._receive()
        try:
            return await in_thread(self.part.commit, self.transfer.size)
        except (ChecksumError, SizeError) as error:
            # What was here before may be what is wrong: one attempt from the start tells.
            error.transient = continued > 0
            self.part.restart()
            raise

    async def _receive(self) -> None:
        """Writes what the source sends, as long as it sends within its limits of time."""
        request = Request(
            url=self.url,
            content_type=self.transfer.content_type,
            offset=self.part.offset,
            validator=self.part.validator,
            storage=self.candidate.storage,
        )
        patience = self.config.http_read_timeout
        total = self.config.http_client_timeout
        href = redact_href(self.candidate.href)
        with mapped_errors(self.url):
            try:
                async with (
                    asyncio.timeout(total) as whole,
                    asyncio.timeout(patience) as silence,
                    self.client.fetch(request) as response,
                ):
                    await self._begin(response, href)
                    await self._write_all(response.chunks, silence, href)
            except TimeoutError:
                if whole.expired():
                    raise StalledError(f"{href} took longer than {total:g} seconds") from None
                if silence.expired():
                    raise StalledError(f"{href} sent nothing for {patience:g} seconds") from None
                raise

    async def _begin(self, response: Response, href: str) -> None:
        self.part.start(response.offset, response.validator, response.size)
        if self.messages is not None:
            shown = URL(href.removesuffix("?…"), encoded=True)
            await self.messages.put(OpenUrl(url=shown, size=response.size))

    async def _write_all(
        self, chunks: AsyncIterator[bytes], silence: asyncio.Timeout, href: str
    ) -> None:
        if self.stream is False:
            chunks = _at_once(chunks)
        now, path = asyncio.get_running_loop().time, Path(self.candidate.path)
        async for chunk in chunks:
            self.tally.received += len(chunk)
            if len(chunk) >= _OFF_LOOP:
                await in_thread(self.part.write, chunk)
            else:
                self.part.write(chunk)
            if self.messages is not None and not self.messages.full():
                self.messages.put_nowait(WriteChunk(href, path, len(chunk)))
            silence.reschedule(now() + self.config.http_read_timeout)


async def _at_once(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield b"".join([chunk async for chunk in chunks])


async def in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs a blocking call in a thread, and never leaves it running behind a cancellation.

    Args:
        call: What to run.
        args: Its arguments.
        kwargs: Its named arguments.
    """
    task = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        raise
