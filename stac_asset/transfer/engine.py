"""The engine: downloads planned transfers and returns an outcome for each.

The public functions, the command line and the flows create an `Engine`. The engine does not use
pystac, and uses clients and destinations only through their interfaces.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, nullcontext
from functools import partial

from stac_asset.concurrency import bounded
from stac_asset.config import DEFAULT_MAX_CONCURRENT_DOWNLOADS, Config
from stac_asset.destinations.interface import Destination, Destinations, Upload
from stac_asset.destinations.values import BusyError, Declared
from stac_asset.error_mapping import mapped
from stac_asset.errors import ConfigError, SchemeError, StacAssetError
from stac_asset.hrefs import parse_href, source_identity
from stac_asset.transfer.attempts import CandidateDownload
from stac_asset.transfer.context import TransferContext, TransferStats
from stac_asset.transfer.existing import declared_by, find_existing, remove_other_leftovers
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.host_limits import HostLimits, OpenConnection, connection_to
from stac_asset.transfer.interface import Sources
from stac_asset.transfer.receiving import Receiver
from stac_asset.transfer.reporter import Messenger, Reporter
from stac_asset.types import (
    Candidate,
    Downloaded,
    Failed,
    MessageQueue,
    Outcome,
    Transfer,
)


class Engine:
    """Downloads transfers with bounded concurrency.

    Args:
        clients: The clients of the run.
        config: The configuration.
        destinations: The destinations of the run.
        messages: A queue for progress messages. A full queue loses only messages about chunks.
        max_concurrent_downloads: Maximum number of transfers at the same time.
        stream: If False, a file is read into memory before its first byte is written.
        connect: Returns a connection to a host. By default, this engine has limits of its own.
    """

    def __init__(
        self,
        clients: Sources,
        config: Config,
        destinations: Destinations,
        messages: MessageQueue | None = None,
        max_concurrent_downloads: int = DEFAULT_MAX_CONCURRENT_DOWNLOADS,
        stream: bool | None = None,
        connect: OpenConnection | None = None,
    ) -> None:
        self._clients = clients
        self._config = config
        self._destinations = destinations
        if type(max_concurrent_downloads) is not int or max_concurrent_downloads < 1:
            raise ConfigError(
                "`max_concurrent_downloads` must be an integer of at least 1, not "
                f"{max_concurrent_downloads!r}. Use for example 32."
            )
        self._limit = max_concurrent_downloads
        self._connect = connect or HostLimits(config).connection
        reporter = Reporter() if messages is None else Messenger(messages)
        self._context = TransferContext(config, reporter, stream, self._connect)

    @property
    def reporter(self) -> Reporter:
        """Receives the progress of all transfers."""
        return self._context.reporter

    @reporter.setter
    def reporter(self, reporter: Reporter) -> None:
        self._context.reporter = reporter

    async def run(self, transfers: Iterable[Transfer]) -> AsyncGenerator[Outcome, None]:
        """Download transfers, and yield each outcome immediately.

        Transfers are taken from the iterable when there is capacity, so the iterable may be very
        long. With `Config.fail_fast`, the first failure is the last outcome, and other transfers
        are cancelled.

        Args:
            transfers: The planned transfers.

        Yields:
            One outcome for each transfer, in the order of completion.
        """
        async with aclosing(bounded(self.download, transfers, self._limit)) as outcomes:
            async for outcome in outcomes:
                yield outcome
                if isinstance(outcome, Failed) and self._config.fail_fast:
                    return

    async def download(self, transfer: Transfer) -> Outcome:
        """Download a transfer from the first available candidate.

        Args:
            transfer: The planned transfer.

        Returns:
            The outcome. Errors are returned as `Failed`, not raised.
        """
        stats = TransferStats()
        candidate = transfer.candidates[0]
        try:
            destination = self._destinations.destination_of(transfer.directory)
            declared = declared_by(transfer)
            if skipped := await find_existing(transfer, declared, self._config, destination):
                await self.reporter.skipped(transfer, skipped.candidate)
                return skipped
            return await self._download_first(transfer, declared, destination, stats)
        except Exception as raised:
            error = mapped(raised, candidate.href)
            error.owner, error.key = transfer.owner, transfer.key
            await self.reporter.failed(transfer, candidate, error)
            return Failed(
                owner=transfer.owner,
                key=transfer.key,
                error=error,
                transfer=transfer,
                attempts=stats.attempts,
                received=stats.received,
                seconds=stats.seconds,
            )

    async def _download_first(
        self,
        transfer: Transfer,
        declared: Declared,
        destination: Destination,
        stats: TransferStats,
    ) -> Downloaded:
        first: StacAssetError | None = None
        for candidate in transfer.candidates:
            await self.reporter.started(transfer, candidate)
            try:
                downloaded = await self._download(transfer, declared, candidate, destination, stats)
            except Exception as error:
                if first is None or isinstance(first, SchemeError):
                    first = mapped(error, candidate.href)
                continue
            await self.reporter.finished(transfer, candidate)
            await remove_other_leftovers(transfer, candidate, destination)
            return downloaded
        assert first is not None, "a transfer has at least one candidate"
        raise first

    async def _download(
        self,
        transfer: Transfer,
        declared: Declared,
        candidate: Candidate,
        destination: Destination,
        stats: TransferStats,
    ) -> Downloaded:
        url = parse_href(candidate.href)
        client = await self._clients.client_of(url)
        open_upload = partial(
            destination.open_upload,
            destination.key_of(candidate.path),
            source_identity(candidate.href),
            declared,
            self._config.write_checksums,
        )

        async def download_into(upload: Upload, connection: HostConnection | None) -> Downloaded:
            # Another writer may have completed the file before the lock was acquired.
            if (upload.replaces or len(transfer.candidates) > 1) and (
                skipped := await find_existing(transfer, declared, self._config, destination)
            ):
                await upload.discard()
                return Downloaded(transfer, candidate, skipped.size, 0, stats.seconds, 0)
            receiver = Receiver(
                upload, client, url, transfer, candidate, self._context, stats, connection
            )
            return await CandidateDownload(receiver).run()

        connection = connection_to(url, candidate.storage, client, self._connect)
        async with connection or nullcontext():
            try:
                async with open_upload() as upload:
                    return await download_into(upload, connection)
            except BusyError:
                pass
        # Wait for the file lock first, so that other downloads can use the connection.
        async with open_upload(wait=True) as upload, connection or nullcontext():
            return await download_into(upload, connection)
