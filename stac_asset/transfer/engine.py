"""The engine: moves the bytes of planned transfers, and says what became of each.

With `fetch`, which moves one file for it, it is all that awaits I/O for a download. It knows
nothing of STAC.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext, suppress
from functools import partial

from yarl import URL

from stac_asset.concurrency import bounded
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations.local.containment import Fence
from stac_asset.destinations.local.lock import BusyError, tidy_others, when_free
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.error_mapping import mapped
from stac_asset.errors import StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.integrity import Multihash
from stac_asset.redact import unsigned_href
from stac_asset.transfer.attempts import Fetch, Means, Tally
from stac_asset.transfer.existing import find_existing
from stac_asset.transfer.interface import Sources
from stac_asset.transfer.reporter import Messenger, Reporter
from stac_asset.types import (
    Candidate,
    Downloaded,
    Failed,
    MessageQueue,
    Outcome,
    Skipped,
    Transfer,
)


class Engine:
    """Downloads transfers with bounded concurrency.

    Args:
        clients: The clients of the run.
        config: The configuration.
        messages: Where progress is reported, if anywhere. A full queue loses chunks' messages
            only.
        max_concurrent_downloads: How many transfers are in work at once.
        stream: If False, a file is read whole into memory before its first byte is written.
        hosts: Gives the place of a file at a host; by default there are
            `Config.max_connections_per_host`, and they are this engine's alone.
    """

    def __init__(
        self,
        clients: Sources,
        config: Config,
        messages: MessageQueue | None = None,
        max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        stream: bool | None = None,
        hosts: Callable[[str], AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        self._clients = clients
        self._config = config
        self._limit = max(1, max_concurrent_downloads)
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._place_at = hosts or self._own_place_at
        reporter = Reporter() if messages is None else Messenger(messages)
        self._means = Means(config, reporter, stream, self._place_at)
        self._fences: dict[str, Fence] = {}

    @property
    def reporter(self) -> Reporter:
        """Is told how the transfers go on."""
        return self._means.reporter

    @reporter.setter
    def reporter(self, reporter: Reporter) -> None:
        self._means.reporter = reporter

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
        tally = Tally()
        candidate = transfer.candidates[0]
        try:
            if skipped := await self._existing(transfer):
                await self.reporter.skipped(transfer, skipped.candidate)
                return skipped
            return await self._first_of(transfer, tally)
        except Exception as raised:
            error = mapped(raised, candidate.href)
            error.owner, error.key = transfer.owner, transfer.key
            await self.reporter.failed(transfer, candidate, error)
            return Failed(
                owner=transfer.owner,
                key=transfer.key,
                error=error,
                transfer=transfer,
                attempts=tally.attempts,
                received=tally.received,
                seconds=tally.seconds,
            )

    async def _first_of(self, transfer: Transfer, tally: Tally) -> Downloaded:
        first: StacAssetError | None = None
        for candidate in transfer.candidates:
            await self.reporter.started(transfer, candidate)
            try:
                downloaded = await self._fetch(transfer, candidate, tally)
            except Exception as error:
                first = first or mapped(error, candidate.href)
                continue
            await self.reporter.finished(transfer, candidate)
            if len(transfer.candidates) > 1:
                tidy_others(transfer, candidate, self._fence(transfer))
            return downloaded
        assert first is not None, "a transfer has at least one candidate"
        raise first

    async def _fetch(self, transfer: Transfer, candidate: Candidate, tally: Tally) -> Downloaded:
        url = parse_href(candidate.href)
        client = await self._clients.client_of(url)

        async def into(part: PartFile) -> Downloaded:
            if skipped := await self._existing(transfer):
                # Another process finished it while we waited for its lock.
                part.drop()
                return Downloaded(transfer, candidate, skipped.size, 0, tally.seconds, 0)
            fetch = Fetch(
                part=part,
                client=client,
                url=url,
                transfer=transfer,
                candidate=candidate,
                means=self._means,
                tally=tally,
            )
            return await fetch.run()

        open_part = partial(self._part, transfer, candidate)
        async with self._host(url):
            with suppress(BusyError), open_part() as part:
                return await into(part)
        # Who waits for the lock of a file keeps no place at its host from others; who has a place
        # waits for no lock.
        with await when_free(open_part, candidate.path) as part:
            async with self._host(url):
                return await into(part)

    def _part(self, transfer: Transfer, candidate: Candidate) -> PartFile:
        return PartFile(
            path=candidate.path,
            directory=self._fence(transfer),
            source=_identity(candidate.href),
            make_directory=self._config.make_directory,
            expected=Multihash.parse(transfer.checksum),
            hashed=self._config.write_checksums,
            stated=transfer.size,
        )

    def _host(self, url: URL) -> AbstractAsyncContextManager[object]:
        return self._place_at(url.host) if url.host else nullcontext()

    def _own_place_at(self, host: str) -> AbstractAsyncContextManager[object]:
        limit = self._config.max_connections_per_host
        return self._hosts.setdefault(host, asyncio.Semaphore(limit))

    async def _existing(self, transfer: Transfer) -> Skipped | None:
        return await find_existing(transfer, self._config, fence=self._fence(transfer))

    def _fence(self, transfer: Transfer) -> Fence:
        fence = self._fences.get(transfer.directory)
        if fence is None:
            fence = self._fences[transfer.directory] = Fence(transfer.directory)
        return fence


def _identity(href: str) -> str:
    """Returns what stays the same of an href when it is signed anew."""
    if "?" not in href and "@" not in href and "#" not in href:
        return href  # As are most.
    if href.lower().startswith(("http://", "https://")):
        return unsigned_href(href.partition("#")[0])
    return href  # In an S3 key, and in a local path, these are characters like any other.
