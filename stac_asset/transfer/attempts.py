"""Downloads a candidate into an open upload, with retries. The engine calls this."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from yarl import URL

from stac_asset.config import Config
from stac_asset.destinations.interface import Upload
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import (
    AccessError,
    ChecksumError,
    ContentError,
    DestinationError,
    LoginPageError,
    RangeError,
    RateLimitError,
    SizeError,
)
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.transfer.content import HEAD_SIZE, START_SIZE, may_be_text, without_encoding
from stac_asset.transfer.content_check import content_error, empty_error, note_compression
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.host_limits import OpenConnection, connection_to
from stac_asset.transfer.interface import Request, Response, Source
from stac_asset.transfer.known_hosts import endpoint_of
from stac_asset.transfer.parallel import ParallelFetch, connections_per_file
from stac_asset.transfer.reporter import Reporter
from stac_asset.transfer.retry import is_transient, retry
from stac_asset.transfer.shared_connections import TRAFFIC, Share, can_split
from stac_asset.transfer.stall import StallTimer
from stac_asset.types import Candidate, Downloaded, Transfer

_MAX_DOUBTFUL_ATTEMPTS = 3
"""Maximum number of attempts if the source may have sent too few bytes without an error."""


@dataclass(slots=True)
class TransferStats:
    """Statistics of a transfer, summed over all candidates."""

    started: float = field(default_factory=time.monotonic)
    """Start time, in seconds of the monotonic clock."""

    attempts: int = 0
    """Number of attempts."""

    received: int = 0
    """Number of received bytes, including discarded bytes."""

    @property
    def seconds(self) -> float:
        """Elapsed time since the start, in seconds."""
        return time.monotonic() - self.started


@dataclass(slots=True)
class TransferContext:
    """The settings and functions that all transfers of a run share."""

    config: Config
    """The configuration of the run."""

    reporter: Reporter
    """Receives the progress of all transfers."""

    stream: bool | None
    """If False, a file is read into memory before the first byte is written."""

    connect: OpenConnection
    """Function that returns a connection to a host."""


@dataclass(slots=True)
class CandidateDownload:
    """The download of a candidate into an open upload."""

    upload: Upload
    client: Source
    url: URL
    transfer: Transfer
    candidate: Candidate
    context: TransferContext
    stats: TransferStats
    connection: HostConnection | None = None
    """The held connection to the host, if the URL has a host."""
    _received_before: int = field(init=False, default=0)
    """Number of bytes received from earlier candidates."""

    _is_retried: bool = False
    """Whether another attempt may succeed after the last error."""
    _answered_by: URL | None = None
    """The URL of the last response, after all redirects, if reported."""

    _is_unsized: bool = False
    """Whether the last response announced no length."""

    _encoding: tuple[str, str | None] | None = None
    """`Content-Encoding` and `Content-Type` of the last response, if the bytes are compressed."""

    _ends_with_connection: bool = False
    """Whether only the end of the connection ended the last response."""

    _single_connection: bool = False
    """Whether the source failed to send ranges, or several ranges at the same time."""

    def __post_init__(self) -> None:
        self._received_before = self.stats.received

    async def run(self) -> Downloaded:
        """Download, verify and commit the file, with retries.

        If the download fails, the received bytes are kept for a later run if they can be resumed.
        With `Config.clean`, they are removed after a permanent error. Exceptions are an access
        error, because the next run may have another signature, a rate limit, and a failure of the
        destination after which an upload can be continued.

        Raises:
            StacAssetError: The file could not be downloaded.
        """
        try:
            copied = await self._copied()
            if copied is not None:
                return copied
            checksum = await retry(self._attempt, self.context.config, self._is_retryable)
        except Exception as error:
            if self.context.config.clean and not (self._is_retried or _may_be_resumed(error)):
                await self.upload.discard()
            raise
        return Downloaded(
            transfer=self.transfer,
            candidate=self.candidate,
            size=self.upload.offset,
            received=self.stats.received,
            seconds=self.stats.seconds,
            attempts=self.stats.attempts,
            checksum=checksum,
        )

    async def _copied(self) -> Downloaded | None:
        """Let the store of the destination copy the file, if the source is in the same store."""
        source = await self.client.stored_source(self._request(), self.upload.copy_target)
        if source is None:
            return None
        await self.context.reporter.opened(self.candidate, source.size)
        copied = await self.upload.copy(source)
        if copied is None:
            return None
        self.stats.attempts += 1
        return Downloaded(
            transfer=self.transfer,
            candidate=self.candidate,
            size=copied.size,
            received=0,
            seconds=self.stats.seconds,
            attempts=self.stats.attempts,
            checksum=str(copied.checksum) if copied.checksum is not None else None,
        )

    def _is_retryable(self, error: Exception) -> bool:
        self._is_retried = is_transient(error) or self._switches_to_single_connection(error)
        return self._is_retried

    def _switches_to_single_connection(self, error: Exception) -> bool:
        """Switch to a single connection if several connections may have caused an error.

        Returns:
            Whether the next attempt uses a single connection for this reason.
        """
        has_answered = self.stats.received > self._received_before
        if self.upload.missing is None or self._connections() == 1 or not has_answered:
            return False
        if isinstance(error, DestinationError | ChecksumError | SizeError | ContentError):
            return False
        self._single_connection = True
        return True

    async def _attempt(self) -> str | None:
        """Make an attempt. Repeat the attempt if the host refuses it because of its limits."""
        connection = self.connection
        if connection is None:
            return await self._attempt_once()
        while True:
            received = self.stats.received
            await connection.begin_request()
            try:
                return await self._attempt_once()
            except Exception as error:
                if self.stats.received > received:
                    connection.give_way(self.upload)
                    raise
                if not await connection.waits_after(error, self.upload):
                    raise
            finally:
                connection.end_request()

    async def _attempt_once(self) -> str | None:
        self.stats.attempts += 1
        resumed, has_ended = self.upload.offset, False
        try:
            await self._receive_all()
            has_ended = True
            await self._check_content()
            checksum = await self.upload.commit()
        except RangeError:
            self._single_connection = True
            await self.upload.restart()
            raise
        except (ChecksumError, SizeError) as error:
            # The resumed bytes may be wrong, so one attempt from the start is allowed. Without an
            # announced length, the end of the connection may have cut the response off.
            may_be_cut = self._is_unsized and has_ended
            error.transient = resumed > 0 or (may_be_cut and self._may_repeat())
            await self.upload.restart()
            raise
        except (ContentError, LoginPageError):
            await self.upload.restart()
            raise
        if self._ends_with_connection:
            self._note_unchecked_end()
        return checksum

    def _note_unchecked_end(self) -> None:
        transfer = self.transfer
        if transfer.size is None and transfer.checksum is None:
            notice(
                "The server announces no length and closes the connection after the file, and the "
                "item declares neither size nor checksum, so an incomplete file is not detected",
                redact_href(self.candidate.href),
            )

    def _may_repeat(self) -> bool:
        """Return whether another attempt is allowed after a response that is not certainly bad."""
        return self.stats.attempts < _MAX_DOUBTFUL_ATTEMPTS

    async def _check_content(self) -> None:
        """Check that the received bytes can be the asset.

        Raises:
            ContentError: The source sent an empty file, or other content than the asset promises.
            LoginPageError: The source sent a login page.
        """
        transfer, candidate, config = self.transfer, self.candidate, self.context.config
        if not self.upload.offset:
            empty = empty_error(transfer, candidate, config)
            if empty is not None:
                empty.transient = self._may_repeat()
                raise empty
            return
        if self._encoding is None:
            head = await self.upload.head(START_SIZE)
            if not may_be_text(head):
                return
        head = await self.upload.head(HEAD_SIZE)
        if self._encoding is not None:
            note_compression(transfer, candidate, head, self._encoding[0])
            head = without_encoding(head, *self._encoding)
        error = content_error(transfer, candidate, head, config, self._answered_by)
        if error is not None:
            raise error

    async def _receive_all(self) -> None:
        if self.upload.missing is not None:
            await self._receive_missing()
            return
        before = self.upload.offset
        await self._receive()
        # Some servers limit the size of a response. As long as bytes arrive, ask for more.
        while self.upload.stopped_short and self.upload.offset > before:
            before = self.upload.offset
            await self._receive()

    async def _receive(self) -> None:
        """Write a response. Continue over several connections if the first connection is slow."""
        parallel: ParallelFetch | None = None
        share: Share | None = None
        config = self.context.config
        limits = config.http_read_timeout, config.http_client_timeout
        try:
            with mapped_errors(self.url), StallTimer(self.candidate.href, *limits) as timer:
                async with self.client.fetch(self._request()) as response:
                    self._answered_by, self._is_unsized = response.url, False
                    await self._begin(response, timer)
                    self._is_unsized = response.size is None
                    self._ends_with_connection = response.ends_with_connection
                    self._encoding = (
                        (response.encoding, response.content_type) if response.encoding else None
                    )
                    if self.connection is not None:
                        self.connection.begin_response(self.upload, response.wait)
                    await self.context.reporter.opened(self.candidate, response.size)
                    if can_split(response, self.upload) and self._connections() > 1:
                        share = self._share()
                    if await self._write_all(response.chunks, timer, share) or share is None:
                        return
                    await self.upload.split()
                    parallel = self._parallel(share)
                    await parallel.read_first(response, timer)
            await parallel.finish()
        finally:
            if share is not None:
                share.close()
            if parallel is not None:
                await parallel.close()

    async def _begin(self, response: Response, timer: StallTimer) -> None:
        """Accept a response. A web page of another size than declared is reported as a web page.

        An upload without ranges may wait for memory, which is no stall of the source.

        Raises:
            RangeError: The response does not continue the received bytes.
            SizeError: The size differs from the declared one.
            ContentError: The size differs, and the content contradicts the asset.
        """
        may_wait = not self.upload.accepts_ranges
        if may_wait:
            timer.suspend()
        try:
            await self.upload.begin(
                response.offset, response.validator, response.size, response.end
            )
        except SizeError:
            if response.offset == 0:
                head = bytes(await anext(response.chunks, b""))
                error = content_error(
                    self.transfer, self.candidate, head, self.context.config, response.url
                )
                if error is not None:
                    raise error from None
            raise
        finally:
            if may_wait:
                timer.resume()

    async def _receive_missing(self) -> None:
        """Fetch the missing ranges of a file that was split before."""
        share = self._share()
        parallel = self._parallel(share)
        try:
            await parallel.finish()
        finally:
            share.close()
            await parallel.close()

    def _request(self) -> Request:
        return Request(
            url=self.url,
            content_type=self.transfer.content_type,
            offset=self.upload.offset,
            validator=self.upload.validator,
            storage=self.candidate.storage,
            watched=True,
            accepts_views=True,
        )

    def _connections(self) -> int:
        if self._single_connection or self.context.stream is False:
            return 1
        config = self.context.config
        endpoint = endpoint_of(self.url, self.candidate.storage, self.client)
        return connections_per_file(config, self.url.host, endpoint)

    def _share(self) -> Share:
        connection = self.connection
        free = (lambda: connection.free_connections) if connection else (lambda: sys.maxsize)
        return Share(self.url.host or "", self._connections() - 1, free)

    def _parallel(self, share: Share) -> ParallelFetch:
        context, storage = self.context, self.candidate.storage
        return ParallelFetch(
            upload=self.upload,
            client=self.client,
            request=self._request(),
            connections=self._connections(),
            share=share,
            connect=lambda: connection_to(self.url, storage, self.client, context.connect),
            config=context.config,
            on_written=self._on_written,
        )

    async def _write_all(
        self, chunks: AsyncIterator[bytes | memoryview], timer: StallTimer, share: Share | None
    ) -> bool:
        """Write chunks, and return False if the file may have further connections."""
        if self.context.stream is False:
            chunks = _joined(chunks, self.upload.room)
        now, upload = timer.loop.time, self.upload
        async for chunk in chunks:
            await upload.write(chunk)
            self._on_written(len(chunk))
            timer.last_received = now()
            if share is not None and share.granted and share.wanted:
                return False
        return True

    def _on_written(self, size: int) -> None:
        self.stats.received += size
        TRAFFIC.received += size
        self.context.reporter.wrote(self.candidate, size)


def _may_be_resumed(error: Exception) -> bool:
    """Return whether a later run may continue the received bytes after a permanent error."""
    is_refusal = isinstance(error, AccessError | RateLimitError)
    return is_refusal or (isinstance(error, DestinationError) and error.resumable)


async def _joined(chunks: AsyncIterator[bytes | memoryview], room: int) -> AsyncIterator[bytes]:
    """Join all chunks. Stop early if the chunks exceed the room, and let the writer raise."""
    received: list[bytes] = []
    async for chunk in chunks:
        received.append(bytes(chunk))
        room -= len(chunk)
        if room < 0:
            break
    yield b"".join(received)
