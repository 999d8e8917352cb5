"""Fetches a large file over several connections, in byte ranges.

`Receiver` uses `ParallelFetch` if a single connection is slow. Ranges are taken from the
start to the end, so that the digest can be computed in order. Ranges become smaller towards the
end, so that all connections end at about the same time.

- If a further connection fails, the other connections fetch the rest of its range.
- If a further connection does not increase the speed, it ends after its range.
- If the first connection fails, the attempt fails.
- If the source refuses the first connection while others are open, the first connection waits until
  another connection ends, and tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace

from stac_asset.config import Config
from stac_asset.destinations.interface import Upload
from stac_asset.destinations.missing_ranges import ByteRange
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import (
    DestinationError,
    RangeError,
    ResponseError,
    StacAssetError,
    TruncatedError,
)
from stac_asset.redact import redact_href
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.interface import Request, Response, Source
from stac_asset.transfer.known_hosts import known_service, max_connections
from stac_asset.transfer.meter import Meter, chunks_for
from stac_asset.transfer.retry import is_transient
from stac_asset.transfer.shared_connections import MIB, ConnectionShare
from stac_asset.transfer.stall import StallTimer

_MIN_RANGE, _MAX_RANGE = MIB, 64 * MIB
"""Minimum and maximum size of a byte range, in bytes."""

_TRIAL_RANGE = 4 * MIB
"""Maximum size, in bytes, of the first range of a further connection.

A connection that does not increase the speed completes its range, so that no received bytes are
requested again. Small ranges end soon.
"""

_DEFAULT_CONNECTIONS = 16
"""Maximum number of connections for a file, unless `Config.max_connections_per_file` is set."""


def connections_per_file(config: Config, host: str | None, endpoint: str | None = None) -> int:
    """Return the maximum number of simultaneous connections for a large file.

    By default, hosts with a documented maximum of connections use a single connection per file.

    Args:
        config: The configuration.
        host: The host or bucket of the file. None for sources without a host.
        endpoint: The host of the service, if `host` is a bucket.
    """
    wanted = config.max_connections_per_file
    if wanted is None:
        is_limited = host is not None and known_service(endpoint or host) is not None
        wanted = 1 if is_limited else _DEFAULT_CONNECTIONS
    return min(wanted, max_connections(config, host or "", endpoint))


class ParallelFetch:
    """The connections of a file. The creator must call `close`.

    Args:
        upload: The upload, which was split into ranges.
        client: The client that opens the file.
        request: The request for the whole file.
        connections: Maximum number of connections.
        share: The further connections that the file may have.
        connect: Returns a further connection to the host, or None for sources without a host.
        config: The timeouts.
        on_written: Called with the number of written bytes.
        meter: Slows down the requests and responses, if any.
    """

    def __init__(
        self,
        upload: Upload,
        client: Source,
        request: Request,
        connections: int,
        share: ConnectionShare,
        connect: Callable[[], HostConnection | None],
        config: Config,
        on_written: Callable[[int], None],
        meter: Meter | None = None,
    ) -> None:
        self._upload = upload
        self._client = client
        self._request = request
        self._connections = connections
        self._share = share
        share.on_granted = self._open_further
        self._connect = connect
        self._limits = config.http_read_timeout, config.http_client_timeout
        self._on_written = on_written
        self._meter = meter
        self._further: set[asyncio.Task[None]] = set()
        self._receiving: set[asyncio.Task[None] | None] = set()

    async def read_first(
        self, response: Response, chunks: AsyncIterator[bytes | memoryview], timer: StallTimer
    ) -> None:
        """Open further connections, and read the first response up to their ranges.

        Args:
            response: The response.
            chunks: The rest of its chunks. Its next byte is the first missing byte.
            timer: The timer of the attempt.
        """
        target = self._take()
        assert target is not None, "bytes are missing"
        self._open_further()
        try:
            await self._read(target, response, chunks, timer)
        finally:
            target.taken = False

    async def finish(self) -> None:
        """Fetch all missing ranges.

        Raises:
            StacAssetError: The first connection failed, the file changed, or writing failed.
        """
        missing = self._upload.missing
        while missing is not None and missing.ranges:
            self._open_further()
            try:
                while (target := self._take()) is not None:
                    await self._fetch(target)
            except StacAssetError as error:
                if _ends_all(error) or not _is_refusal(error) or not missing.taken:
                    raise
            if self._further:
                ended, _ = await asyncio.wait(self._further, return_when=asyncio.FIRST_COMPLETED)
                self._further -= ended  # Connections may have been added meanwhile.
                _raise_errors(ended)

    def _open_further(self) -> None:
        """Open the further connections that are granted, if untaken ranges are large enough."""
        missing, share = self._upload.missing, self._share
        if missing is None or share.on_granted is None or share.running >= share.granted:
            return
        ranges = missing.untaken_bytes // _MIN_RANGE
        share.wanted = min(share.wanted, share.running + ranges)
        for _ in range(min(share.granted, share.wanted) - share.running):
            share.running += 1
            self._further.add(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        """Fetch all ranges, until a request fails, or the connection is not granted."""
        connection, share, is_surplus = self._connect(), self._share, False
        try:
            async with connection or nullcontext():
                is_surplus = await self._fetch_ranges(connection)
        except StacAssetError as error:
            # Hosts refuse further connections with many kinds of errors.
            if _ends_all(error):
                raise
        finally:
            self._receiving.discard(asyncio.current_task())
            share.receiving = len(self._receiving)
            share.ended(is_surplus)

    async def _fetch_ranges(self, connection: HostConnection | None) -> bool:
        """Fetch ranges over a further connection. The first range is small.

        Returns:
            Whether the connection ends because it is not granted any more.
        """
        largest = _TRIAL_RANGE
        while not self._share.is_exceeded:
            target = self._take(largest=largest)
            if target is None:
                return False
            first, largest = target.position, _MAX_RANGE
            try:
                if connection is not None:
                    await connection.begin_request()
                await self._fetch(target, connection, is_further=True)
            except StacAssetError as error:
                target.taken = False
                received = target.position - first
                if connection is not None and not received:
                    connection.refused(error, self._upload)
                # A connection that broke after many bytes is replaced.
                if _ends_all(error) or not is_transient(error) or received < _MIN_RANGE:
                    raise
        return True

    def _take(self, at: int | None = None, largest: int = _MAX_RANGE) -> ByteRange | None:
        missing = self._upload.missing
        if missing is None:
            return None
        share = missing.untaken_bytes // (2 * self._connections)
        return missing.take(min(largest, max(_MIN_RANGE, share)), at)

    async def _fetch(
        self,
        target: ByteRange,
        connection: HostConnection | None = None,
        is_further: bool = False,
    ) -> None:
        """Fetch a range, with as many requests as the source needs."""
        try:
            while target.size and not (is_further and self._share.is_exceeded):
                await self._request_range(target, connection, is_further)
        finally:
            target.taken = False
            if connection is not None:
                connection.end_request()

    async def _request_range(
        self, target: ByteRange, connection: HostConnection | None, is_further: bool
    ) -> None:
        shown = redact_href(self._request.url)
        upload = self._upload
        if self._meter is not None:
            await self._meter.wait_to_request()
        request = replace(
            self._request, offset=target.position, end=target.end, validator=upload.validator
        )
        try:
            with (
                mapped_errors(request.url),
                StallTimer(str(request.url), *self._limits) as timer,
            ):
                async with self._client.fetch(request) as response:
                    if (
                        response.offset != target.position
                        or response.validator not in (None, upload.validator)
                        or response.size not in (None, upload.size)
                        or response.end == target.position
                    ):
                        raise RangeError(f"{shown} changed during the download of its byte ranges")
                    if response.end is None:
                        response.end = target.end
                    if connection is not None:
                        connection.begin_response(self._upload, response.wait)
                    chunks = chunks_for(self._upload, response, self._meter, timer)
                    if is_further:
                        self._receiving.add(asyncio.current_task())
                        self._share.receiving = len(self._receiving)
                    await self._read(target, response, chunks, timer)
        except ResponseError as error:
            if error.status in (412, 416):
                raise RangeError(
                    f"{shown} changed during the download of its byte ranges"
                ) from None
            raise

    async def _read(
        self,
        target: ByteRange,
        response: Response,
        chunks: AsyncIterator[bytes | memoryview],
        timer: StallTimer,
    ) -> None:
        """Read a response up to the end, or up to a range that another connection fetches."""
        end = self._upload.size if response.end is None else response.end
        assert end is not None, "the size of a split file is known"
        own = target
        try:
            async for chunk in chunks:
                while chunk:
                    data = chunk[: min(target.end, end) - target.position]
                    await self._upload.put(target, data)
                    self._on_written(len(data))
                    timer.last_received = timer.loop.time()
                    if target.position == end:
                        return
                    if not target.size:
                        _raise_errors(self._further)
                        following = self._take(at=target.end)
                        if following is None:
                            return
                        target = following
                    chunk = chunk[len(data) :]
                self._open_further()
        finally:
            if target is not own:
                target.taken = False
        raise TruncatedError(f"{target.size} bytes of a byte range were not received")

    async def close(self) -> None:
        """Cancel the further connections, and wait until all have ended."""
        self._share.on_granted = None
        cancelled = False
        for task in self._further:
            task.cancel()
        while left := [task for task in self._further if not task.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError:  # The connections still write to the upload.
                cancelled = True
        for task in self._further:
            if not task.cancelled():
                task.exception()  # Otherwise asyncio logs the exception as never retrieved.
        self._further = set()
        if self._upload.missing is not None:
            for missing in self._upload.missing.ranges:
                missing.taken = False
        if cancelled:
            raise asyncio.CancelledError


def _raise_errors(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Raise the error of an ended connection, if any. Such an error ends all connections."""
    for task in tasks:
        if task.done():
            task.result()


def _is_refusal(error: StacAssetError) -> bool:
    """Return whether the error is a response of the source, or permanent."""
    return isinstance(error, ResponseError) or not is_transient(error)


def _ends_all(error: StacAssetError) -> bool:
    """Return whether the error of a connection ends all connections."""
    return isinstance(error, RangeError | DestinationError)
