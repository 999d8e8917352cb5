"""Fetches one candidate into its part file: the attempts, and what ends each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from yarl import URL

from stac_asset.config import Config
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import (
    AccessError,
    ChecksumError,
    DestinationError,
    RangeError,
    SizeError,
)
from stac_asset.transfer.hashing import Hashing
from stac_asset.transfer.interface import Request, Source
from stac_asset.transfer.offload import Offload, Writes
from stac_asset.transfer.parallel import Pace, Ranges, can_split, connections_per_file
from stac_asset.transfer.reporter import Reporter
from stac_asset.transfer.retry import is_transient, wait_after
from stac_asset.transfer.stall import Watch, Watchdog
from stac_asset.types import Candidate, Downloaded, Transfer


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


class Means:
    """What the transfers of a run share.

    Args:
        config: The configuration of the run.
        reporter: Is told how the transfers go on.
        stream: If False, a file is read whole into memory before its first byte is written.
        place_at: Gives the place of a connection at a host.
    """

    def __init__(
        self,
        config: Config,
        reporter: Reporter,
        stream: bool | None,
        place_at: Callable[[str], AbstractAsyncContextManager[object]],
    ) -> None:
        self.config = config
        self.reporter = reporter
        self.stream = stream
        self.place_at = place_at
        self.watchdog = Watchdog(config.http_read_timeout, config.http_client_timeout)
        self.writes = Writes()
        self.commits = Offload()


@dataclass(slots=True)
class Fetch:
    """The transfer of one candidate into an open part file."""

    part: PartFile
    client: Source
    url: URL
    transfer: Transfer
    candidate: Candidate
    means: Means
    tally: Tally
    _hashing: Hashing = field(init=False)
    _received_before: int = field(init=False)
    _refused: bool = False
    """Whether the source has shown that it cannot send pieces, or not several at a time."""

    def __post_init__(self) -> None:
        self._hashing = Hashing(self.part)
        self._received_before = self.tally.received

    async def run(self) -> Downloaded:
        """Fetches, verifies and commits the file, in as many attempts as that may take.

        A part file that a later run can continue stays after an error, and so does one of which
        nobody lets us have the rest: a signature may have expired, and the next run has another.
        One that cannot be continued, because the error is final, is removed.

        Raises:
            StacAssetError: Why it could not be had.
        """
        config = self.means.config
        for attempt in range(1, config.http_max_attempts + 1):
            self.tally.attempts += 1
            try:
                checksum = await self._attempt()
                break
            except Exception as error:
                again = is_transient(error) or self._may_be_alone(error)
                if config.clean and not again and not isinstance(error, AccessError):
                    self.part.drop()
                if not again or attempt == config.http_max_attempts:
                    raise
                wait = wait_after(config, attempt, error)
            await asyncio.sleep(wait)
        return Downloaded(
            transfer=self.transfer,
            candidate=self.candidate,
            size=self.part.offset,
            received=self.tally.received,
            seconds=self.tally.seconds,
            attempts=self.tally.attempts,
            checksum=checksum,
        )

    def _may_be_alone(self, error: Exception) -> bool:
        """Returns whether a source that answered before may answer to a single connection only."""
        answered = self.tally.received > self._received_before
        if self.part.pieces is None or self._connections() == 1 or not answered:
            return False
        if isinstance(error, DestinationError | ChecksumError | SizeError):
            return False
        self._refused = True
        return True

    async def _attempt(self) -> str | None:
        continued = self.part.offset
        try:
            try:
                await self._receive_all()
            finally:
                await self._hashing.pause()
            await self._hashing.finish()
            return await self.means.commits(self.part.commit)
        except RangeError:
            self._refused = True
            self.part.restart()
            raise
        except (ChecksumError, SizeError) as error:
            # What was here before may be what is wrong: one attempt from the start tells.
            error.transient = continued > 0
            self.part.restart()
            raise

    async def _receive_all(self) -> None:
        if self.part.pieces is not None:
            await self._receive_pieces()
            return
        before = self.part.offset
        await self._receive()
        # Some sources send no more than so much at a time: an answer that brings us on is none
        # that failed.
        while self.part.stopped_short and self.part.offset > before:
            before = self.part.offset
            await self._receive()

    async def _receive(self) -> None:
        """Writes what the source sends, as long as it sends within its limits of time."""
        ranges: Ranges | None = None
        try:
            with (
                mapped_errors(self.url),
                self.means.watchdog.watch(self.candidate.href) as watch,
            ):
                async with self.client.fetch(self._request()) as response:
                    self.part.start(
                        response.offset, response.validator, response.size, response.end
                    )
                    await self.means.reporter.opened(self.candidate, response.size)
                    pace: Pace | None = None
                    if self._connections() > 1 and can_split(response, self.part):
                        pace = Pace(self.part, watch.heard)
                    if await self._write_all(response.chunks, watch, pace):
                        return
                    self.part.split()
                    ranges = self._ranges()
                    await ranges.read_first(response, watch)
            await ranges.finish()
        finally:
            if ranges is not None:
                await ranges.close()

    async def _receive_pieces(self) -> None:
        """Fetches what is missing of a file that has begun to arrive in pieces."""
        ranges = self._ranges()
        try:
            await ranges.finish()
        finally:
            await ranges.close()

    def _request(self) -> Request:
        return Request(
            url=self.url,
            content_type=self.transfer.content_type,
            offset=self.part.offset,
            validator=self.part.validator,
            storage=self.candidate.storage,
            watched=True,
        )

    def _connections(self) -> int:
        if self._refused or self.means.stream is False:
            return 1
        return connections_per_file(self.means.config, self.url.host)

    def _ranges(self) -> Ranges:
        host = self.url.host or ""
        return Ranges(
            part=self.part,
            client=self.client,
            request=self._request(),
            connections=self._connections(),
            place_at=lambda: self.means.place_at(host),
            watchdog=self.means.watchdog,
            writes=self.means.writes,
            wrote=self._wrote,
        )

    async def _write_all(
        self, chunks: AsyncIterator[bytes], watch: Watch, pace: Pace | None
    ) -> bool:
        """Writes what comes, and returns whether that was all: else it has come slowly."""
        if self.means.stream is False:
            chunks = _at_once(chunks, self.part.room)
        now, part = watch.loop.time, self.part
        async for chunk in chunks:
            await self.means.writes(part.write, chunk)
            self._wrote(len(chunk))
            watch.heard = now()
            if pace is not None and pace.is_slow(watch.heard):
                return False
        return True

    def _wrote(self, size: int) -> None:
        self.tally.received += size
        self._hashing.go_on()
        self.means.reporter.wrote(self.candidate, size)


async def _at_once(chunks: AsyncIterator[bytes], room: int) -> AsyncIterator[bytes]:
    """Yields all chunks as one; of more than there may be, only enough for that to be seen."""
    received: list[bytes] = []
    async for chunk in chunks:
        received.append(chunk)
        room -= len(chunk)
        if room < 0:
            break
    yield b"".join(received)
