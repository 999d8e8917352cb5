"""Receives the bytes of a candidate into an open upload, over one connection or several."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from yarl import URL

from stac_asset.destinations.interface import Upload
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import SizeError
from stac_asset.transfer.content_check import content_error
from stac_asset.transfer.context import TransferContext, TransferStats
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.host_limits import connection_to
from stac_asset.transfer.interface import Request, Response, Source
from stac_asset.transfer.known_hosts import endpoint_of
from stac_asset.transfer.meter import Meter, chunks_for
from stac_asset.transfer.parallel import ParallelFetch, connections_per_file
from stac_asset.transfer.shared_connections import TRAFFIC, ConnectionShare, can_split
from stac_asset.transfer.stall import StallTimer
from stac_asset.types import Candidate, Transfer


@dataclass(slots=True)
class Receiver:
    """The responses of a candidate, written into an open upload."""

    upload: Upload
    client: Source
    url: URL
    transfer: Transfer
    candidate: Candidate
    context: TransferContext
    stats: TransferStats
    connection: HostConnection | None
    """The held connection to the host, if the URL has a host."""

    single_connection: bool = False
    """Whether the source failed to send ranges, or several ranges at the same time."""

    answered_by: URL | None = None
    """The URL of the last response, after all redirects, if reported."""

    is_unsized: bool = False
    """Whether the last response announced no length."""

    encoding: tuple[str, str | None] | None = None
    """`Content-Encoding` and `Content-Type` of the last response, if the bytes are compressed."""

    ends_with_connection: bool = False
    """Whether only the end of the connection ended the last response."""

    _meter: Meter | None = field(init=False, default=None)
    """Counts and slows down the traffic of the connection, if any."""

    def __post_init__(self) -> None:
        if self.connection is not None:
            self._meter = self.connection.meter

    async def receive_all(self) -> None:
        """Write all bytes after those of the upload, in as many responses as needed.

        Raises:
            StacAssetError: The bytes could not be received or written.
        """
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
        share: ConnectionShare | None = None
        config = self.context.config
        limits = config.http_read_timeout, config.http_client_timeout
        if self._meter is not None:
            await self._meter.wait_to_request()
        try:
            with mapped_errors(self.url), StallTimer(self.candidate.href, *limits) as timer:
                async with self.client.fetch(self.request()) as response:
                    chunks = chunks_for(self.upload, response, self._meter, timer)
                    self.answered_by, self.is_unsized = response.url, False
                    await self._begin(response, timer)
                    self.is_unsized = response.size is None
                    self.ends_with_connection = response.ends_with_connection
                    self.encoding = (
                        (response.encoding, response.content_type) if response.encoding else None
                    )
                    if self.connection is not None:
                        self.connection.begin_response(self.upload, response.wait)
                    await self.context.reporter.opened(self.candidate, response.size)
                    if can_split(response, self.upload) and self.connections() > 1:
                        share = self._share()
                    if await self._write_all(chunks, timer, share) or share is None:
                        return
                    await self.upload.split()
                    parallel = self._parallel(share)
                    await parallel.read_first(response, chunks, timer)
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

    def request(self) -> Request:
        """Return the request for the bytes after those of the upload."""
        return Request(
            url=self.url,
            content_type=self.transfer.content_type,
            offset=self.upload.offset,
            validator=self.upload.validator,
            storage=self.candidate.storage,
            watched=True,
            accepts_views=True,
        )

    def connections(self) -> int:
        """Return the maximum number of connections of the file."""
        if self.single_connection or self.context.stream is False:
            return 1
        config = self.context.config
        endpoint = endpoint_of(self.url, self.candidate.storage, self.client)
        return connections_per_file(config, self.url.host, endpoint)

    def _share(self) -> ConnectionShare:
        connection = self.connection
        free = (lambda: connection.free_connections) if connection else (lambda: sys.maxsize)
        return ConnectionShare(self.url.host or "", self.connections() - 1, free)

    def _parallel(self, share: ConnectionShare) -> ParallelFetch:
        context, storage = self.context, self.candidate.storage
        return ParallelFetch(
            upload=self.upload,
            client=self.client,
            request=self.request(),
            connections=self.connections(),
            share=share,
            connect=lambda: connection_to(self.url, storage, self.client, context.connect),
            config=context.config,
            on_written=self._on_written,
            meter=self._meter,
        )

    async def _write_all(
        self,
        chunks: AsyncIterator[bytes | memoryview],
        timer: StallTimer,
        share: ConnectionShare | None,
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
        if self._meter is not None:
            self._meter.count(size)
        self.context.reporter.wrote(self.candidate, size)


async def _joined(chunks: AsyncIterator[bytes | memoryview], room: int) -> AsyncIterator[bytes]:
    """Join all chunks. Stop early if the chunks exceed the room, and let the writer raise."""
    received: list[bytes] = []
    async for chunk in chunks:
        received.append(bytes(chunk))
        room -= len(chunk)
        if room < 0:
            break
    yield b"".join(received)
