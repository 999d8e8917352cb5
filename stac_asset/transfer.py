"""The engine: moves the bytes of planned transfers, and says what became of each.

It is the only module that awaits I/O for a download, and knows nothing of STAC.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from yarl import URL

from stac_asset.clients.base import Client, Request
from stac_asset.clients.mapping import mapped, mapped_errors
from stac_asset.clients.routes import Clients
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.errors import StacAssetError, StalledError, TransferError
from stac_asset.files import BusyError, PartFile, check_existing
from stac_asset.hrefs import parse_href
from stac_asset.integrity import Multihash
from stac_asset.messages import (
    ErrorAssetDownload,
    FinishAssetDownload,
    Message,
    OpenUrl,
    SkipAssetDownload,
    StartAssetDownload,
    WriteChunk,
)
from stac_asset.pool import bounded
from stac_asset.redact import redact_href
from stac_asset.retry import retrying
from stac_asset.types import (
    Candidate,
    Downloaded,
    Failed,
    MessageQueue,
    Outcome,
    Skipped,
    Transfer,
)

_BUSY_POLL = 0.2
_OFF_LOOP = 256 * 1024
"""Writes of this many bytes and more leave the event loop alone."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class _Tally:
    """What one transfer has cost so far."""

    started: float
    attempts: int = 0
    received: int = 0


class Engine:
    """Downloads transfers with bounded concurrency.

    Args:
        clients: The clients of the run.
        config: The configuration.
        messages: Where progress is reported, if anywhere. A full queue loses chunks' messages
            only.
        max_concurrent_downloads: How many transfers are in work at once.
        stream: If False, a file is read whole into memory before its first byte is written.
    """

    def __init__(
        self,
        clients: Clients,
        config: Config,
        messages: MessageQueue | None = None,
        max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        stream: bool | None = None,
    ) -> None:
        self._clients = clients
        self._config = config
        self._messages = messages
        self._limit = max(1, max_concurrent_downloads)
        self._stream = stream
        self._hosts: dict[str, asyncio.Semaphore] = {}

    async def run(self, transfers: Iterable[Transfer]) -> AsyncGenerator[Outcome, None]:
        """Downloads transfers, and yields what became of each as soon as that is known.

        The transfers are drawn as they can be worked on, so they may be many. With
        `Config.fail_fast`, the first failure is the last outcome: what is in flight is cancelled.

        Args:
            transfers: What to download.

        Yields:
            One outcome a transfer, in the order of their ends.
        """
        async with aclosing(bounded(self.download, transfers, self._limit)) as outcomes:
            async for outcome in outcomes:
                yield outcome
                if isinstance(outcome, Failed) and self._config.fail_fast:
                    return

    async def download(self, transfer: Transfer) -> Outcome:
        """Downloads one transfer: from the first of its candidates that can be had.

        Args:
            transfer: What to download.

        Returns:
            What became of it; errors are outcomes, not raised.
        """
        tally = _Tally(time.monotonic())
        candidate = transfer.candidates[0]
        try:
            if skipped := await find_existing(transfer, self._config):
                path = Path(skipped.candidate.path)
                await self._report(SkipAssetDownload(key=transfer.key, path=path))
                return skipped
            return await self._first_of(transfer, tally)
        except Exception as raised:
            error = mapped(raised, candidate.href)
            error.owner, error.key = transfer.owner, transfer.key
            await self._report(
                ErrorAssetDownload(
                    key=transfer.key,
                    href=redact_href(candidate.href),
                    path=Path(candidate.path),
                    error=error,
                )
            )
            return Failed(
                owner=transfer.owner,
                key=transfer.key,
                error=error,
                transfer=transfer,
                attempts=tally.attempts,
                received=tally.received,
                seconds=time.monotonic() - tally.started,
            )

    async def _first_of(self, transfer: Transfer, tally: _Tally) -> Downloaded:
        first: StacAssetError | None = None
        for candidate in transfer.candidates:
            await self._report(
                StartAssetDownload(
                    key=transfer.key,
                    owner_id=transfer.owner_id,
                    href=redact_href(candidate.href),
                    path=Path(candidate.path),
                )
            )
            try:
                downloaded = await self._with_retries(transfer, candidate, tally)
            except Exception as error:
                first = first or mapped(error, candidate.href)
                continue
            await self._report(
                FinishAssetDownload(
                    key=transfer.key,
                    href=redact_href(candidate.href),
                    path=Path(candidate.path),
                )
            )
            return downloaded
        assert first is not None, "a transfer has at least one candidate"
        raise first

    async def _with_retries(
        self, transfer: Transfer, candidate: Candidate, tally: _Tally
    ) -> Downloaded:
        client = await self._clients.get_client(candidate.href)
        url = parse_href(candidate.href)
        async with self._host(url):
            while True:
                try:
                    part = self._part(transfer, candidate)
                    break
                except BusyError:
                    await asyncio.sleep(_BUSY_POLL)
            with part:
                if skipped := await find_existing(transfer, self._config):
                    # Another process finished it while we waited for its lock.
                    part.drop()
                    return Downloaded(transfer, candidate, skipped.size, 0, _since(tally), 0)
                return await self._into(part, client, url, transfer, candidate, tally)

    def _part(self, transfer: Transfer, candidate: Candidate) -> PartFile:
        return PartFile(
            path=Path(candidate.path),
            directory=Path(transfer.directory),
            source=_identity(candidate.href),
            make_directory=self._config.make_directory,
            expected=Multihash.parse(transfer.checksum),
            hashed=self._config.write_checksums,
        )

    async def _into(
        self,
        part: PartFile,
        client: Client,
        url: URL,
        transfer: Transfer,
        candidate: Candidate,
        tally: _Tally,
    ) -> Downloaded:
        try:
            async for attempt in retrying(self._config):
                with attempt:
                    tally.attempts += 1
                    await self._attempt(part, client, url, transfer, candidate, tally)
                    checksum = await _in_thread(part.commit, transfer.size)
        except Exception as error:
            if self._config.clean and not (isinstance(error, TransferError) and error.transient):
                part.drop()
            raise
        return Downloaded(
            transfer=transfer,
            candidate=candidate,
            size=part.offset,
            received=tally.received,
            seconds=_since(tally),
            attempts=tally.attempts,
            checksum=checksum,
        )

    async def _attempt(
        self,
        part: PartFile,
        client: Client,
        url: URL,
        transfer: Transfer,
        candidate: Candidate,
        tally: _Tally,
    ) -> None:
        request = Request(
            url, transfer.content_type, part.offset, part.validator, candidate.storage
        )
        shown, path = redact_href(candidate.href), Path(candidate.path)
        timeout = self._config.http_client_timeout
        with mapped_errors(url):
            try:
                async with asyncio.timeout(timeout) as limit, client.fetch(request) as response:
                    part.start(response.offset, response.validator, response.size)
                    opened = URL(shown.removesuffix("?…"), encoded=True)
                    await self._report(OpenUrl(url=opened, size=response.size))
                    async for chunk in self._chunks(response.chunks):
                        tally.received += len(chunk)
                        if len(chunk) >= _OFF_LOOP:
                            await _in_thread(part.write, chunk)
                        else:
                            part.write(chunk)
                        if self._messages is not None:
                            self._report_chunk(WriteChunk(shown, path, len(chunk)))
            except TimeoutError as error:
                if limit.expired() and not isinstance(error, StacAssetError):
                    raise StalledError(f"{shown} took longer than {timeout} seconds") from None
                raise

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if self._stream is False:
            yield b"".join([chunk async for chunk in chunks])
        else:
            async for chunk in chunks:
                yield chunk

    def _host(self, url: URL) -> AbstractAsyncContextManager[None]:
        if not url.host:
            return nullcontext()
        limit = self._config.max_connections_per_host
        return self._hosts.setdefault(url.host, asyncio.Semaphore(limit))

    async def _report(self, message: Message) -> None:
        if self._messages is not None:
            await self._messages.put(message)

    def _report_chunk(self, message: WriteChunk) -> None:
        if self._messages is not None and not self._messages.full():
            self._messages.put_nowait(message)


async def find_existing(transfer: Transfer, config: Config, tidy: bool = True) -> Skipped | None:
    """Returns the skip of a transfer whose file is there and still good, or None.

    Args:
        transfer: What is to be downloaded.
        config: How hard to look; what is to be overwritten is never skipped.
        tidy: Whether what a killed run left beside a finished file is removed.
    """
    if config.overwrite:
        return None
    look = config.verify_existing
    expected = Multihash.parse(transfer.checksum)
    for candidate in transfer.candidates:
        check = (Path(candidate.path), transfer.size, expected, look, tidy)
        if look == "checksum" and expected is not None:
            size = await _in_thread(check_existing, *check)
        else:
            size = check_existing(*check)
        if size is not None:
            checksum = transfer.checksum if look == "checksum" and expected else None
            return Skipped(transfer, candidate, size, checksum)
    return None


async def download_with(
    client: Client,
    href: str,
    path: Path,
    clean: bool,
    content_type: str | None,
    messages: MessageQueue | None = None,
    stream: bool | None = None,
) -> None:
    """Downloads one href with one client, replacing what is there.

    Args:
        client: The client, whatever it claims; it stays open.
        href: What to download.
        path: Where to.
        clean: Whether a part file is removed after an error.
        content_type: The media type to expect.
        messages: Where progress is reported.
        stream: If False, the file is read whole before its first byte is written.

    Raises:
        TransferError: It did not arrive.
    """
    path = Path(path).absolute()
    config = Config(overwrite=True, clean=clean, client_override=client.name)
    engine = Engine(Clients(config, [client]), config, messages, stream=stream)
    transfer = Transfer(
        "", path.name, (Candidate(href, str(path)),), str(path.parent), content_type=content_type
    )
    outcome = await engine.download(transfer)
    if isinstance(outcome, Failed):
        raise outcome.error


def _identity(href: str) -> str:
    """Returns what stays the same of an href when it is signed anew."""
    return href.partition("#")[0].partition("?")[0]


def _since(tally: _Tally) -> float:
    return time.monotonic() - tally.started


async def _in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Runs a blocking call in a thread, and never leaves it running behind a cancellation."""
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
