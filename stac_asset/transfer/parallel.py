"""Fetches a large file in pieces, over several connections at a time.

Pieces are taken from the front to the back, so that a digest can follow them, and become smaller
towards the end, so that all connections end at about the same time. A connection that fails gives
back what is left of its piece, and the others go on without it; where the first one fails, the
attempt does. Where it is refused while others are served, it waits for one of them to end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import chain, repeat

from stac_asset.config import Config
from stac_asset.destinations.local.missing_ranges import Piece
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.error_mapping import mapped_errors
from stac_asset.errors import (
    DestinationError,
    RangeError,
    ResponseError,
    StacAssetError,
    TruncatedError,
)
from stac_asset.redact import redact_href
from stac_asset.transfer.interface import Request, Response, Source
from stac_asset.transfer.offload import Writes
from stac_asset.transfer.retry import is_transient
from stac_asset.transfer.stall import Watch, Watchdog

MIB = 1024 * 1024

_LARGE = 32 * MIB
"""Bytes that have to be missing of a file for more than one connection."""

_LEAST, _MOST = MIB, 64 * MIB
"""Bytes of a piece."""

_LOOKS = ((0.02, 40_000_000), (0.25, 150_000_000))
"""For how many seconds a connection is watched, and from how many bytes a second on no others are
opened beside it: the processor is what limits it then. The last look is repeated."""


def can_split(response: Response, part: PartFile) -> bool:
    """Returns whether a file can arrive in pieces, and is large enough to.

    Args:
        response: What its source has answered.
        part: Its part file, which has taken note of the answer.
    """
    return is_large(part) and response.ranges and response.validator is not None


def is_large(part: PartFile) -> bool:
    """Returns whether so much of a file is missing that further connections are worth it.

    Args:
        part: Its part file.
    """
    return part.size is not None and part.size - part.offset >= _LARGE


class Pace:
    """Tells whether a file that comes over one connection would come sooner over several.

    Args:
        part: The part file that it is written to.
        now: The loop's time.
    """

    __slots__ = ("_before", "_fast", "_looks", "_part", "_since", "_until")

    def __init__(self, part: PartFile, now: float) -> None:
        self._part = part
        self._looks = chain(_LOOKS, repeat(_LOOKS[-1]))
        self._look_on(now)

    def _look_on(self, now: float) -> None:
        seconds, self._fast = next(self._looks)
        self._since, self._until, self._before = now, now + seconds, self._part.offset

    def is_slow(self, now: float) -> bool:
        """Returns whether it is slow, if it has been watched for long enough to tell.

        Args:
            now: The loop's time, when bytes have been written.
        """
        if now < self._until:
            return False
        part, slow = self._part, self._fast * (now - self._since)
        is_slow = part.offset - self._before < slow and is_large(part)
        self._look_on(now)
        return is_slow


class Ranges:
    """The connections of one file; whoever has made them closes them.

    Args:
        part: The part file.
        client: The client that opens the file.
        request: What to ask for, but for the range.
        connections: How many connections there are, at most.
        place_at: Gives the place of a further connection.
        watchdog: Ends those that hear nothing.
        writes: Runs the writes.
        wrote: Told how many bytes were written.
    """

    def __init__(
        self,
        part: PartFile,
        client: Source,
        request: Request,
        connections: int,
        place_at: Callable[[], AbstractAsyncContextManager[object]],
        watchdog: Watchdog,
        writes: Writes,
        wrote: Callable[[int], None],
    ) -> None:
        self._part = part
        self._client = client
        self._request = request
        self._connections = connections
        self._place_at = place_at
        self._watchdog = watchdog
        self._writes = writes
        self._wrote = wrote
        self._further: set[asyncio.Task[None]] = set()

    async def read_first(self, response: Response, watch: Watch) -> None:
        """Reads from the response to a request for the whole rest, up to what others fetch.

        Args:
            response: Its next byte is the first missing one.
            watch: Told when some have come.
        """
        piece = self._take()
        assert piece is not None, "something is missing"
        self._open_further()
        try:
            await self._read(piece, response, watch)
        finally:
            piece.taken = False

    async def finish(self) -> None:
        """Fetches all that is missing.

        Raises:
            StacAssetError: The first connection failed, or the file changed, or cannot be written.
        """
        self._open_further()
        pieces = self._part.pieces
        while pieces is not None and pieces.missing:
            try:
                while (piece := self._take()) is not None:
                    await self._fetch(piece)
            except StacAssetError as error:
                # Who waits for a place at the host would wait for us.
                if _ends_all(error) or not _is_refusal(error) or not pieces.in_work:
                    raise
            if self._further:
                ended, self._further = await asyncio.wait(
                    self._further, return_when=asyncio.FIRST_COMPLETED
                )
                self._look_at(ended)

    def _look_at(self, further: Iterable[asyncio.Task[None]]) -> None:
        """Raises the error of a further connection that ends them all."""
        for task in further:
            if task.done():
                task.result()

    def _open_further(self) -> None:
        pieces = self._part.pieces
        if pieces is None or self._further:
            return
        wanted = min(self._connections - 1, pieces.untaken // _LEAST)
        self._further = {asyncio.create_task(self._work()) for _ in range(wanted)}

    async def _work(self) -> None:
        """Fetches pieces over a connection of its own, as long as there are some, and it can."""
        async with self._place_at():
            while (piece := self._take()) is not None:
                try:
                    await self._fetch(piece)
                except StacAssetError as error:
                    if _ends_all(error):
                        raise
                    return  # Some hosts refuse further connections in any way that there is.

    def _take(self, at: int | None = None) -> Piece | None:
        pieces = self._part.pieces
        if pieces is None:
            return None
        share = pieces.untaken // (2 * self._connections)
        return pieces.take(min(_MOST, max(_LEAST, share)), at)

    async def _fetch(self, piece: Piece) -> None:
        """Fetches a piece, by as many requests as its source wants for that."""
        try:
            while piece.size:
                await self._ask(piece)
        finally:
            piece.taken = False

    async def _ask(self, piece: Piece) -> None:
        shown = redact_href(self._request.url)
        part = self._part
        request = replace(
            self._request, offset=piece.position, end=piece.end, validator=part.validator
        )
        with mapped_errors(request.url), self._watchdog.watch(str(request.url)) as watch:
            try:
                async with self._client.fetch(request) as response:
                    if (
                        response.offset != piece.position
                        or response.validator not in (None, part.validator)
                        or response.size not in (None, part.size)
                        or response.end == piece.position
                    ):
                        raise RangeError(f"{shown} changed while it was fetched in pieces")
                    if response.end is None:
                        response.end = piece.end
                    await self._read(piece, response, watch)
            except ResponseError as error:
                if error.status in (412, 416):
                    raise RangeError(f"{shown} changed while it was fetched in pieces") from None
                raise

    async def _read(self, piece: Piece, response: Response, watch: Watch) -> None:
        """Reads up to the end of a response, or of what nobody else fetches."""
        end = self._part.size if response.end is None else response.end
        assert end is not None, "who splits a file knows its size"
        own = piece
        try:
            async for chunk in response.chunks:
                while chunk:
                    data = chunk[: min(piece.end, end) - piece.position]
                    await self._writes(self._part.put, data, piece.position)
                    self._part.advance(piece, len(data))
                    self._wrote(len(data))
                    watch.heard = watch.loop.time()
                    if piece.position == end:
                        return
                    if not piece.size:
                        self._look_at(self._further)
                        following = self._take(at=piece.end)
                        if following is None:
                            return
                        piece = following
                    chunk = chunk[len(data) :]
        finally:
            if piece is not own:
                piece.taken = False
        raise TruncatedError(f"{piece.size} bytes of a piece did not arrive")

    async def close(self) -> None:
        """Ends the further connections that are left, and returns when they have ended."""
        cancelled = False
        for task in self._further:
            task.cancel()
        while left := [task for task in self._further if not task.done()]:
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError:  # They are at the part file until they have ended.
                cancelled = True
        for task in self._further:
            if not task.cancelled():
                task.exception()  # Else it is logged as one that nobody has looked at.
        self._further = set()
        if self._part.pieces is not None:
            for piece in self._part.pieces.missing:
                piece.taken = False
        if cancelled:
            raise asyncio.CancelledError


def _is_refusal(error: StacAssetError) -> bool:
    """Returns whether a source has answered, or not even been asked."""
    return isinstance(error, ResponseError) or not is_transient(error)


def _ends_all(error: StacAssetError) -> bool:
    """Returns whether an error of one connection is the others' as well."""
    return isinstance(error, RangeError | DestinationError)


_MANY = 16
"""Connections of one large file, where nobody says how many."""


_FRUGAL = re.compile(
    # Four connections of a user at a time: https://documentation.dataspace.copernicus.eu/Quotas.html
    r"([a-z0-9-]+\.)*dataspace\.copernicus\.eu",
    re.IGNORECASE,
)
"""Hosts that allow few connections: a file takes one, unless the configuration says more."""


def connections_per_file(config: Config, host: str | None) -> int:
    """Returns over how many connections a large file may be fetched at a time.

    Args:
        config: The configuration.
        host: Where it is; None where that is no host.
    """
    wanted = config.max_connections_per_file
    if wanted is None:
        wanted = 1 if host and _FRUGAL.fullmatch(host.rstrip(".")) else _MANY
    return min(wanted, config.max_connections_per_host)
